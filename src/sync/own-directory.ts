// The directory in a project where gomote keeps what is this user's alone: it is neither pushed nor pulled. It has the name of
// the one that a buildlet keeps in its work directory.
export { stateDirectory as ownDirectory } from '../files/reserved-names.ts';

import { stateDirectory } from '../files/reserved-names.ts';

/** Whether the path is that of such a directory, or in one. */
export const isOwn = (path: string): boolean => path.split('/').includes(stateDirectory);
