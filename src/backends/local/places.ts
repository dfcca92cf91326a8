// The directories of a user's local buildlets.
import { chmodSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { checkDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { existingDirectory, userDirectory } from '../../files/user-directories.ts';
import type { UserIds } from './own-users.ts';

export interface LocalPlaces {
  /** Contains a directory for each buildlet: its record, password, socket and log. */
  readonly root: string;
  /** Returns the directory that contains each buildlet's work directory and other files on disk. */
  readonly workRoot: () => Promise<string>;
  /** The users of its buildlets. Absent: they are this process's own. */
  readonly users?: UserIds | undefined;
}

/** The directories in `root`, for one process, or those of the user. Throws ERR_CONFIG when there are none. */
export function localPlaces(
  environment: NodeJS.ProcessEnv,
  root?: string,
  users?: UserIds,
): LocalPlaces {
  if (root !== undefined && users !== undefined) {
    return { root, users, workRoot: async () => join(users.directory, await nameOf(root)) };
  }
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
      return join(state, await nameOf(own));
    },
  };
}

/** Work directories of another root must not be removed by this one. */
async function nameOf(root: string): Promise<string> {
  const { hash } = await import('node:crypto');
  return `work_${hash('sha256', root).slice(0, 8)}`;
}

const rootName = 'the directory of local buildlets';

/** Creates the directories, or checks that they are private; returns that of work directories. Throws ERR_CONFIG. */
export async function makeLocalPlaces({ root, workRoot, users }: LocalPlaces): Promise<string> {
  makePrivateDirectory(root, rootName);
  const work = await workRoot();
  if (users !== undefined) return makeOpenDirectory(work);
  makePrivateDirectory(work, 'the directory of work dirs', 'set XDG_STATE_HOME');
  return work;
}

/** Creates a directory that all users can enter, and only this one can change. */
function makeOpenDirectory(path: string): string {
  const made = missing(path);
  checkDirectory(path, { what: 'the directory of machines', access: 'readable', make: true });
  for (const one of [...made, path]) chmodSync(one, 0o711);
  return path;
}

const missing = (path: string): string[] =>
  existsSync(path) ? [] : [...missing(dirname(path)), path];

/** Whether the directory exists. Throws ERR_CONFIG when another user could have put a buildlet into it. */
export const hasLocalRoot = (path: string): boolean =>
  checkDirectory(path, { what: rootName, access: 'readable' });

/** Why no buildlet runs on this system; undefined where one does. */
export function whyNoLocal(platform: NodeJS.Platform): GomoteError | undefined {
  if (platform !== 'win32') return undefined;
  return new GomoteError('ERR_UNSUPPORTED', 'buildlets do not run on Windows itself', {
    hint: 'use another backend, or run gomote in WSL',
  });
}

/** Throws that reason. */
export function refuseOn(platform: NodeJS.Platform): void {
  const reason = whyNoLocal(platform);
  if (reason !== undefined) throw reason;
}
