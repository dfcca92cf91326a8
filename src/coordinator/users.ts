// Who may use a coordinator: names, the hashes of their tokens, roles and limits, in one file.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import { inTurn } from './file-turn.ts';

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
  /** SHA-256, hex. The token has 256 random bits, so that no slower hash is needed. */
  tokenHash: v.string(),
  created: v.string(),
  maximum: v.optional(v.number()),
});
const fileSchema = v.object({ users: v.record(v.string(), userSchema) });

type Records = v.InferOutput<typeof fileSchema>['users'];

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** The prefix lets those who search for leaked secrets find it. */
const newToken = (): string => `gomote_${randomBytes(32).toString('base64url')}`;

/** Reads the file again whenever it has changed: users come and go while the coordinator runs. */
export class Users {
  readonly #path: string;
  #records: Records = {};
  #stamp = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** The user whose token it is; the time it takes tells nothing. */
  check(name: string, token: string): User | undefined {
    const record = this.#read()[name];
    const expected = Buffer.from(record?.tokenHash ?? '', 'hex');
    const given = hashOf(token);
    const isRight = timingSafeEqual(
      given,
      expected.length === given.length ? expected : hashOf(''),
    );
    return isRight && record !== undefined ? toUser(name, record) : undefined;
  }

  /** The user of that name as of now; `generation` changes with each new token. */
  current(name: string): { readonly user: User; readonly generation: string } | undefined {
    const record = this.#read()[name];
    return record && { user: toUser(name, record), generation: record.tokenHash };
  }

  list(): (User & { created: string })[] {
    return Object.entries(this.#read()).map(([name, record]) => ({
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
      if (records[name] !== undefined) {
        throw new GomoteError('ERR_USAGE', `there is a user "${name}" already`, {
          hint: `for another token: coordinator user rotate ${name}`,
        });
      }
      records[name] = {
        role: isAdmin ? 'admin' : 'user',
        tokenHash: hashOf(token).toString('hex'),
        created: new Date().toISOString(),
        ...(maximum !== undefined && { maximum }),
      };
    });
    return token;
  }

  async remove(name: string): Promise<void> {
    await this.#change((records) => {
      known(records, name);
      delete records[name];
    });
  }

  /** Gives the user another token; the one before is worth nothing from then on. */
  async rotate(name: string): Promise<string> {
    const token = newToken();
    await this.#change((records) => {
      records[name] = { ...known(records, name), tokenHash: hashOf(token).toString('hex') };
    });
    return token;
  }

  #read(): Records {
    try {
      const { ino, mtimeMs, size } = statSync(this.#path);
      const stamp = `${ino} ${mtimeMs} ${size}`;
      if (stamp !== this.#stamp) {
        const { users } = v.parse(fileSchema, JSON.parse(readFileSync(this.#path, 'utf8')));
        this.#records = Object.assign(Object.create(null), users);
        this.#stamp = stamp;
      }
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        throw new GomoteError('ERR_CONFIG', `cannot read ${this.#path}: ${messageOf(error)}`, {
          cause: error,
        });
      }
      this.#records = {};
    }
    return this.#records;
  }

  /** Nobody else changes the file meanwhile: of two that each add a user, neither undoes the other's work. */
  async #change(change: (records: Records) => void): Promise<void> {
    await inTurn(this.#path, async () => {
      const users = { ...this.#read() };
      change(users);
      await writeWhole(this.#path, `${JSON.stringify({ users }, undefined, 2)}\n`);
    });
  }
}

function known(records: Records, name: string): Records[string] {
  const record = Object.hasOwn(records, name) ? records[name] : undefined;
  if (record !== undefined) return record;
  throw new GomoteError('ERR_USAGE', `there is no user "${name}"`, {
    hint: 'see coordinator user list',
  });
}

const toUser = (name: string, record: Records[string]): User => ({
  name,
  isAdmin: record.role === 'admin',
  maximum: record.maximum,
});
