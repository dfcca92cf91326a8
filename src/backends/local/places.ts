// Where the local buildlets of a user are.
import { join } from 'node:path';
import { checkDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { existingDirectory, userDirectory } from '../../files/user-directories.ts';

export interface LocalPlaces {
  /** Holds a directory for each buildlet: its record, password, socket and log. */
  readonly root: string;
  /** Returns the directory that holds one for each buildlet: its work directory, and what it needs on a disk. */
  readonly workRoot: () => Promise<string>;
}

/** The places in `root`, for one process alone, or those of the user. Throws ERR_CONFIG when there can be none. */
export function localPlaces(environment: NodeJS.ProcessEnv, root?: string): LocalPlaces {
  if (root !== undefined) return { root, workRoot: async () => join(root, 'work') };
  const state = join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote');
  if (!environment.XDG_RUNTIME_DIR) {
    return { root: state, workRoot: async () => join(state, 'work') };
  }
  const runtime = userDirectory(environment, 'XDG_RUNTIME_DIR');
  const own = join(existingDirectory('XDG_RUNTIME_DIR', runtime), 'gomote');
  // That is often kept in memory and small: no place for a work directory.
  return {
    root: own,
    workRoot: async () => {
      const { createHash } = await import('node:crypto');
      // Work dirs of another root are not for this one to remove.
      return join(state, `work_${createHash('sha256').update(own).digest('hex').slice(0, 8)}`);
    },
  };
}

const rootName = 'the directory of local buildlets';

/** Makes the places, or checks that they are this user's alone; returns the one of work directories. Throws ERR_CONFIG. */
export async function makeLocalPlaces({ root, workRoot }: LocalPlaces): Promise<string> {
  makePrivateDirectory(root, rootName);
  const work = await workRoot();
  makePrivateDirectory(work, 'the directory of work dirs', 'set XDG_STATE_HOME');
  return work;
}

/** Whether a place is there. Throws ERR_CONFIG when another user could have put a buildlet into it. */
export const hasLocalRoot = (path: string): boolean =>
  checkDirectory(path, { what: rootName, access: 'readable' });
