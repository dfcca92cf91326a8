// Who may use a coordinator: names, the hashes of their tokens, roles and limits, in one file.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import * as v from 'valibot';
import { namedValues } from '../../config/values.ts';
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { withFileLock } from '../../files/file-lock.ts';
import { readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';

export interface User {
  /** Without the prefix `user-`. */
  readonly name: string;
  /** Sees, reaches and ends the buildlets of all. */
  readonly isAdmin: boolean;
  /** How many buildlets at once; absent: as configured for all. */
  readonly maximum?: number | undefined;
}

const userSchema = v.object({
  role: v.picklist(['user', 'admin']),
  /** SHA-256, hex. The token has 256 random bits, so no slower hash is needed. One that is missing locks out this user alone. */
  tokenHash: v.fallback(v.string(), ''),
  created: v.string(),
  maximum: v.optional(v.number()),
});
/** `namedValues` keeps every name, also `constructor` and `__proto__`, and finds nothing that is not in the file. */
const fileSchema = v.object({ users: namedValues(v.string(), userSchema) });

type UserRecord = v.InferOutput<typeof userSchema>;
type Records = Map<string, UserRecord>;

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Compared with in place of a hash that is not there, so that the time taken is the same. */
const noHash = Buffer.alloc(32);

/** The bytes of a whole SHA-256 in hex; undefined for anything else, which no token matches. */
const wholeHash = (text: string | undefined): Buffer | undefined =>
  text !== undefined && /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : undefined;

/** The prefix lets those who search for leaked secrets find it. */
const newToken = (): string => `gomote_${randomBytes(32).toString('base64url')}`;

/**
 * Reads the file again whenever it has changed: users come and go while the coordinator runs. When it cannot be read,
 * the users of the last file that could be are still known.
 */
export class Users {
  readonly #path: string;
  readonly #onTrouble: (trouble: string | undefined) => void;
  #records: Records | undefined;
  #stamp = '';
  #trouble: string | undefined;

  /** @param onTrouble Called when the file cannot be read any more, and with undefined when it can be again. */
  constructor(path: string, onTrouble: (trouble: string | undefined) => void = () => undefined) {
    this.#path = path;
    this.#onTrouble = onTrouble;
  }

  /** The user with this name and token; how long the check takes reveals nothing about either. */
  check(name: string, token: string): User | undefined {
    const record = this.#read().get(name);
    const expected = wholeHash(record?.tokenHash);
    const isEqual = timingSafeEqual(hashOf(token), expected ?? noHash);
    if (record === undefined || expected === undefined || token === '' || !isEqual)
      return undefined;
    return toUser(name, record);
  }

  /** The user of that name as of now; `generation` changes with each new token. */
  current(name: string): { readonly user: User; readonly generation: string } | undefined {
    const record = this.#read().get(name);
    return record && { user: toUser(name, record), generation: record.tokenHash };
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
  async add(
    name: string,
    options: { isAdmin: boolean; maximum?: number | undefined },
  ): Promise<string> {
    if (!/^[a-z0-9](?:[a-z0-9_.-]{0,38}[a-z0-9])?$/.test(name)) {
      throw new GomoteError('ERR_USAGE', `bad user name "${name}"`, {
        hint: 'give 1 to 40 of a-z, 0-9, ".", "_" and "-", with a letter or digit at both ends',
      });
    }
    const token = newToken();
    const { isAdmin, maximum } = options;
    await this.#change((records) => {
      if (records.has(name)) {
        throw new GomoteError('ERR_USAGE', `there is a user "${name}" already`, {
          hint: `for another token: coordinator user rotate ${name}`,
        });
      }
      records.set(name, {
        role: isAdmin ? 'admin' : 'user',
        tokenHash: hashOf(token).toString('hex'),
        created: new Date().toISOString(),
        ...(maximum !== undefined && { maximum }),
      });
    });
    return token;
  }

  async remove(name: string): Promise<void> {
    await this.#change((records) => {
      known(records, name);
      records.delete(name);
    });
  }

  /** Replaces the user's token; the old one is invalid from then on. */
  async rotate(name: string): Promise<string> {
    const token = newToken();
    await this.#change((records) => {
      const tokenHash = hashOf(token).toString('hex');
      records.set(name, { ...known(records, name), tokenHash });
    });
    return token;
  }

  /** Why the file cannot be read at the moment. */
  get trouble(): string | undefined {
    this.#read();
    return this.#trouble;
  }

  /** The users as of now. Throws ERR_CONFIG when the file cannot be read and never could. */
  #read(): Records {
    const stamp = this.#stampNow();
    if (this.#records !== undefined && stamp === this.#stamp) return this.#records;
    try {
      // A file that has gone is no order to turn everybody away.
      this.#records = this.#load(this.#records === undefined ? new Map() : undefined);
      this.#stamp = stamp;
      this.#note(undefined);
      return this.#records;
    } catch (error) {
      if (this.#records === undefined) throw error;
      this.#stamp = '';
      this.#note(messageOf(error));
      return this.#records;
    }
  }

  #note(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#onTrouble(trouble);
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

  /** What is in the file; `absent` when there is none. */
  #load(absent?: Records): Records {
    try {
      return v.parse(fileSchema, JSON.parse(readSecretFile(this.#path))).users;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' && absent !== undefined) return absent;
      if (isGomoteError(error)) throw error;
      throw new GomoteError('ERR_CONFIG', `cannot read ${this.#path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Nobody else changes the file meanwhile: of two that each add a user, neither undoes the other's work. */
  async #change(change: (records: Records) => void): Promise<void> {
    await withFileLock(this.#path, async () => {
      const records = this.#load(new Map());
      change(records);
      // An object made from entries keeps names such as `__proto__` as its own.
      const users = Object.fromEntries(records);
      const content = `${JSON.stringify({ users }, undefined, 2)}\n`;
      await writeWhole(this.#path, content, { keepsAccess: true });
    });
  }
}

function known(records: Records, name: string): UserRecord {
  const record = records.get(name);
  if (record !== undefined) return record;
  throw new GomoteError('ERR_USAGE', `there is no user "${name}"`, {
    hint: 'see coordinator user list',
  });
}

const toUser = (name: string, record: UserRecord): User => ({
  name,
  isAdmin: record.role === 'admin',
  maximum: record.maximum,
});
