// Who may use a coordinator: names, the hashes of their tokens, roles and limits, in one file.
import { statSync } from 'node:fs';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { changesSince, type UserChange } from './user-changes.ts';
import {
  changed,
  hashOf,
  hasToken,
  isExpired,
  isGood,
  newToken,
  type Role,
  toUser,
  type User,
  type UserChanges,
  type UserRecord,
  type UsersContent,
  wholeHash,
} from './user-records.ts';
import { changeUsers, loadUsers, noUsers, type UsersCopy } from './users-file.ts';

type Records = Map<string, UserRecord>;

interface UsersOptions {
  /** Who changes the file by this object, for the audit trail. */
  readonly by?: string | undefined;
  /** Has the users while the file cannot be read at the start, and which changes were reported. */
  readonly copy?: UsersCopy | undefined;
  /** Called when the file cannot be read any more, and with undefined when it can be again. */
  readonly onTrouble?: ((trouble: string | undefined) => void) | undefined;
  /** Called with each change that was found in the file. */
  readonly onChange?: ((change: UserChange) => void) | undefined;
}

/** How many tokens of sign-ins a user may have: with one more, the oldest ends. */
const signInLimit = 20;

/**
 * Reads the file again whenever it has changed: users come and go while the coordinator runs. When it cannot be read,
 * the users of the last file that could be are still known.
 */
export class Users {
  readonly #path: string;
  readonly #options: UsersOptions;
  #content: UsersContent | undefined;
  #stamp = '';
  #trouble: string | undefined;

  constructor(path: string, options: UsersOptions = {}) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * The user with this token, and with this name if one is given; how long the check takes reveals nothing about
   * either.
   */
  check(name: string | undefined, token: string): User | undefined {
    const found = this.#find(name, token);
    return found === undefined || isExpired(found[1]) ? undefined : toUser(...found);
  }

  /** Whether the token was right until its time was over. */
  isOver(name: string | undefined, token: string): boolean {
    const found = this.#find(name, token);
    return found !== undefined && isExpired(found[1]);
  }

  #find(name: string | undefined, token: string): [string, UserRecord] | undefined {
    const records = this.#read();
    if (name === undefined) return [...records].filter(([, one]) => hasToken(one, token))[0];
    const record = records.get(name);
    return hasToken(record, token) && record !== undefined ? [name, record] : undefined;
  }

  /** The user of that name as of now; `generation` changes with each new token. Undefined once the token has expired. */
  current(name: string): { readonly user: User; readonly generation: string } | undefined {
    const record = this.#read().get(name);
    if (record === undefined || isExpired(record)) return undefined;
    return { user: toUser(name, record), generation: record.tokenHash };
  }

  /** Whether there is a user of that name, whose token may have expired. */
  has(name: string): boolean {
    return this.#read().has(name);
  }

  /** What tells the user of that name from another one who has it later. */
  lifeOf(name: string): string {
    return `${name} ${this.#read().get(name)?.created}`;
  }

  /** Whether nobody can sign in: there is no user with a token. */
  get isEmpty(): boolean {
    return ![...this.#read().values()].some(({ tokenHash }) => wholeHash(tokenHash));
  }

  list(): (User & { created: string })[] {
    return [...this.#read()].map(([name, record]) => ({
      ...toUser(name, record),
      created: record.created,
    }));
  }

  /** Adds a user and gives the token, which is kept nowhere. */
  async add(name: string, changes: UserChanges = {}): Promise<string> {
    if (!/^[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?$/.test(name)) {
      throw new GomoteError('ERR_USAGE', `bad user name "${name}"`, {
        hint: 'give 1 to 40 of a-z, 0-9, ".", "_" and "-", with a letter or digit at both ends',
      });
    }
    const token = newToken();
    await this.#change((records) => {
      if (records.has(name)) {
        throw new GomoteError('ERR_USAGE', `there is a user "${name}" already`, {
          hint: `for another token: coordinator user rotate ${name}; for another role or limit: coordinator user set ${name}`,
        });
      }
      const created = new Date().toISOString();
      const fresh: UserRecord = { role: 'user', tokenHash: hashOf(token).toString('hex'), created };
      records.set(name, changed(fresh, changes));
    });
    return token;
  }

  /** Changes what is given and leaves the rest, the token also. */
  async set(name: string, changes: UserChanges): Promise<void> {
    await this.#change((records) => {
      records.set(name, changed(known(records, name), changes));
    });
  }

  async remove(name: string): Promise<void> {
    await this.#change((records) => {
      known(records, name);
      records.delete(name);
    });
  }

  /** Replaces the user's token; the old one is good for `overlapMs` more. */
  async rotate(
    name: string,
    { overlapMs = 0, ...changes }: UserChanges & { overlapMs?: number | undefined } = {},
  ): Promise<string> {
    const token = newToken();
    await this.#change((records) => {
      const { previous: _, ...record } = known(records, name);
      const until = new Date(Date.now() + overlapMs).toISOString();
      const previous = { tokenHash: record.tokenHash, until };
      const tokenHash = hashOf(token).toString('hex');
      const rotated = { ...record, tokenHash, ...(overlapMs > 0 && { previous }) };
      records.set(name, changed(rotated, changes));
    });
    return token;
  }

  /**
   * Takes in somebody whom a provider has signed in, with the role that this gives, and a token that is good for so
   * long. Throws ERR_CONFLICT when the name is another's.
   */
  async admit(
    { name, subject, role }: { name: string; subject: string; role: Role },
    tokenMs: number,
  ): Promise<{ user: User; token: string }> {
    const token = newToken();
    const until = new Date(Date.now() + tokenMs).toISOString();
    const fresh = tokenMs > 0 ? [{ tokenHash: hashOf(token).toString('hex'), until }] : [];
    await this.#change((records) => {
      const known = records.get(name);
      if (known !== undefined && known.subject !== subject) {
        throw new GomoteError('ERR_CONFLICT', `the name "${name}" is another user's`, {
          hint: `an admin can free it: coordinator user remove ${name}`,
        });
      }
      const created = new Date().toISOString();
      const record: UserRecord = known ?? { role, tokenHash: '', created, subject };
      const signIns = [...(record.signIns ?? []).filter(isGood), ...fresh].slice(-signInLimit);
      records.set(name, { ...record, role, signIns });
    });
    const user = this.current(name)?.user;
    if (user !== undefined) return { user, token };
    throw new GomoteError('ERR_UNAUTHORIZED', `the access of "${name}" here has expired`);
  }

  /** Why the file cannot be read at the moment. */
  get trouble(): string | undefined {
    this.#read();
    return this.#trouble;
  }

  /** Looks for changes of the file, and writes the copy; fails when that cannot be written. */
  async look(): Promise<void> {
    this.#read();
    await this.#options.copy?.flush();
  }

  /** The users as of now. Throws ERR_CONFIG when the file cannot be read and never could. */
  #read(): Records {
    const stamp = this.#stampNow();
    if (this.#content !== undefined && stamp === this.#stamp) return this.#content.users;
    const { copy, onChange } = this.#options;
    const before = this.#content ?? copy?.read();
    try {
      // A missing file must not lock everybody out.
      const content = loadUsers(this.#path, before === undefined ? noUsers : undefined);
      this.#content = content;
      this.#stamp = stamp;
      this.#note(undefined);
      for (const change of changesSince(before, content)) onChange?.(change);
      copy?.set(content);
      // The next check retries and reports what fails.
      void copy?.flush().catch(() => undefined);
      return content.users;
    } catch (error) {
      if (before === undefined) throw error;
      this.#content = before;
      this.#stamp = '';
      this.#note(messageOf(error));
      return before.users;
    }
  }

  #note(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onTrouble?.(trouble);
  }

  /** Changes with the file. */
  #stampNow(): string {
    try {
      const { ino, mtimeMs, ctimeMs, size } = statSync(this.#path);
      return `${ino} ${mtimeMs} ${ctimeMs} ${size}`;
    } catch (error) {
      return `${errnoOf(error)}`;
    }
  }

  async #change(change: (records: Records) => void): Promise<void> {
    await changeUsers(this.#path, this.#options.by ?? 'unknown', change);
  }
}

function known(records: Records, name: string): UserRecord {
  const record = records.get(name);
  if (record !== undefined) return record;
  throw new GomoteError('ERR_USAGE', `there is no user "${name}"`, {
    hint: 'see coordinator user list',
  });
}
