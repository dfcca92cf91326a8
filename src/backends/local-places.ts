// Where the local buildlets of a user are.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { checkDirectory, makePrivateDirectory } from '../files/private-directory.ts';
import { existingDirectory, homeDirectory, userDirectory } from '../files/user-directories.ts';

export interface LocalPlaces {
  /** Holds a directory for each buildlet: its record, password, socket and log. */
  readonly root: string;
  /** Holds a directory for each buildlet: its work dir and what it needs on a disk. */
  readonly workRoot: string;
}

/** The places in `root`, for one process alone, or those of the user. Throws ERR_CONFIG when there can be none. */
export function localPlaces(environment: NodeJS.ProcessEnv, root?: string): LocalPlaces {
  if (root !== undefined) return { root, workRoot: join(root, 'work') };
  const state = join(stateHome(environment), 'gomote');
  if (!environment.XDG_RUNTIME_DIR) return { root: state, workRoot: join(state, 'work') };
  // It is often kept in memory and small: no place for a work dir.
  const runtime = userDirectory(environment, 'XDG_RUNTIME_DIR');
  const own = join(existingDirectory('XDG_RUNTIME_DIR', runtime), 'gomote');
  // Buildlets of another root are not for this one to remove.
  const digest = createHash('sha256').update(own).digest('hex').slice(0, 8);
  return { root: own, workRoot: join(state, `work_${digest}`) };
}

const rootName = 'the directory of local buildlets';

/** Makes the places, or checks that they are this user's alone. Throws ERR_CONFIG. */
export function makeLocalPlaces({ root, workRoot }: LocalPlaces): void {
  makePrivateDirectory(root, rootName);
  makePrivateDirectory(workRoot, 'the directory of work dirs', 'set XDG_STATE_HOME');
}

/** Whether a place is there. Throws ERR_CONFIG when another user could have put a buildlet into it. */
export const hasLocalRoot = (path: string): boolean =>
  checkDirectory(path, { what: rootName, access: 'readable' });

function stateHome(environment: NodeJS.ProcessEnv): string {
  if (!environment.XDG_STATE_HOME) existingDirectory('HOME', homeDirectory(environment));
  return userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state');
}
