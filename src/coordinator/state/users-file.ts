// The file of users: read, changed, and copied for the time when it cannot be read.
import * as v from 'valibot';
import { errnoOf, GomoteError, isGomoteError } from '../../errors.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { reasonOf } from '../../files/local-error.ts';
import { readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { userChanges } from './user-changes.ts';
import { type UserRecord, type UsersContent, usersSchema } from './user-records.ts';

/** How many of the latest changes the file keeps. */
const changeLimit = 200;

export const noUsers: UsersContent = { users: new Map(), changes: [] };

/** What is in the file; `absent` when there is none. Throws ERR_CONFIG when it cannot be read. */
export function loadUsers(path: string, absent?: UsersContent): UsersContent {
  try {
    return v.parse(usersSchema, JSON.parse(readSecretFile(path)));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && absent !== undefined) return absent;
    if (isGomoteError(error)) throw error;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Changes the file, and notes in it who did. Nobody else changes it meanwhile: of two that each add a user, neither undoes
 * the other's work.
 */
export async function changeUsers(
  path: string,
  by: string,
  change: (records: Map<string, UserRecord>) => void,
): Promise<void> {
  await withFileLock(path, async () => {
    const { users: before, changes } = loadUsers(path, noUsers);
    const users = new Map(before);
    change(users);
    const at = new Date().toISOString();
    const noted = userChanges(before, users).map((one) => ({ ...one, at, by }));
    const content = { users, changes: [...changes, ...noted].slice(-changeLimit) };
    await writeWhole(path, textOf(content), { keepsAccess: true });
  });
}

/** An object made from entries keeps names such as `__proto__` as its own. */
const textOf = ({ users, changes }: UsersContent): string =>
  `${JSON.stringify({ users: Object.fromEntries(users), changes }, undefined, 2)}\n`;

/** The last content of the file that could be read, in a file of the coordinator's own. */
export class UsersCopy {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #unwritten: UsersContent | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined when there is none, or when it is damaged. */
  read(): UsersContent | undefined {
    try {
      return loadUsers(this.#path);
    } catch {
      return undefined;
    }
  }

  /** Takes another content over; it is on the disk after the next `flush` that does not fail. */
  set(content: UsersContent): void {
    this.#unwritten = content;
  }

  async flush(): Promise<void> {
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const content = this.#unwritten;
        if (content === undefined) return;
        await writeWhole(this.#path, textOf(content));
        if (this.#unwritten === content) this.#unwritten = undefined;
      });
    await this.#writing;
  }
}
