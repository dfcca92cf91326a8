// The users of a running coordinator: the audit trail gets each change of their file, whoever made it.
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Log } from '../log.ts';
import { Users } from './users.ts';
import { UsersCopy } from './users-file.ts';

interface WatchOptions {
  /** The users file. */
  readonly path: string;
  /** Where the copy is kept. */
  readonly stateDirectory: string;
  readonly log: Log;
  readonly audit: Log;
}

/** How often the file is looked at without a request, in ms. */
const lookMs = 2_000;

interface WatchedUsers {
  readonly users: Users;
  /** Tells of the last changes, and stops. */
  close(): Promise<void>;
}

/** Throws ERR_CONFIG when the file cannot be read, and there is no copy of what it had. */
export async function watchUsers(options: WatchOptions): Promise<WatchedUsers> {
  const { path, stateDirectory, log, audit } = options;
  const users = new Users(path, {
    by: 'provider',
    copy: new UsersCopy(join(stateDirectory, 'users-copy.json')),
    onTrouble: (trouble) =>
      trouble === undefined
        ? log.write('users-read', { what: `${path} can be read again` })
        : log.write('trouble', { what: trouble, hint: 'the users that it had before are known' }),
    onChange: (change) => audit.write('user-changed', { by: 'unknown', ...change }),
  });
  users.list();
  let isTold = false;
  const look = async () => {
    try {
      await users.look();
      isTold = false;
    } catch (error) {
      if (!isTold) log.write('trouble', { what: `copying ${path}: ${messageOf(error)}` });
      isTold = true;
    }
  };
  await look();
  const timer = setInterval(() => void look(), lookMs).unref();
  return {
    users,
    close: async () => {
      clearInterval(timer);
      await look();
    },
  };
}
