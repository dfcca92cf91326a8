// The directories of a user's local buildlets.
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { checkDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { existingDirectory, userDirectory } from '../../files/user-directories.ts';

export interface LocalPlaces {
  /** Contains a directory for each buildlet: its record, password, socket and log. */
  readonly root: string;
  /** Returns the directory that contains each buildlet's work directory and other files on disk. */
  readonly workRoot: () => Promise<string>;
}

/** The directories in `root`, for one process, or those of the user. Throws ERR_CONFIG when there are none. */
export function localPlaces(environment: NodeJS.ProcessEnv, root?: string): LocalPlaces {
  if (root !== undefined) return { root, workRoot: async () => join(root, 'work') };
  const state = join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote');
  if (!environment.XDG_RUNTIME_DIR) {
    return { root: state, workRoot: async () => join(state, 'work') };
  }
  const runtime = userDirectory(environment, 'XDG_RUNTIME_DIR');
  const own = join(existingDirectory('XDG_RUNTIME_DIR', runtime), 'gomote');
  // That is often a small file system in memory, unsuitable for a work directory.
  return {
    root: own,
    workRoot: async () => {
      const { createHash } = await import('node:crypto');
      // Work directories of another root must not be removed by this one.
      return join(state, `work_${createHash('sha256').update(own).digest('hex').slice(0, 8)}`);
    },
  };
}

const rootName = 'the directory of local buildlets';

/** Creates the directories, or checks that they are private; returns that of work directories. Throws ERR_CONFIG. */
export async function makeLocalPlaces({ root, workRoot }: LocalPlaces): Promise<string> {
  makePrivateDirectory(root, rootName);
  const work = await workRoot();
  makePrivateDirectory(work, 'the directory of work dirs', 'set XDG_STATE_HOME');
  return work;
}

/** Whether the directory exists. Throws ERR_CONFIG when another user could have put a buildlet into it. */
export const hasLocalRoot = (path: string): boolean =>
  checkDirectory(path, { what: rootName, access: 'readable' });

/** Throws ERR_UNSUPPORTED where no buildlet runs. */
export function refuseOn(platform: NodeJS.Platform): void {
  if (platform !== 'win32') return;
  throw new GomoteError('ERR_UNSUPPORTED', 'buildlets do not run on Windows itself', {
    hint: 'use another backend, or run gomote in WSL',
  });
}
