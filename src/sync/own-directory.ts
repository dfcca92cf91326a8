// The directory in a project for the user's own settings, which is neither pushed nor pulled. It has the same name as
// the one in a buildlet's work directory.
export { stateDirectory as ownDirectory } from '../files/reserved-names.ts';

import { stateDirectory } from '../files/reserved-names.ts';

/** Whether the path is such a directory, or inside one. */
export const isOwn = (path: string): boolean => path.split('/').includes(stateDirectory);
