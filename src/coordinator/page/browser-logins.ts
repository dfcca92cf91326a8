// Who is signed in with a browser: a random cookie for each, its digest kept here and on disk, until it ends or the token changes.
import { hash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { errnoOf, messageOf } from '../../errors.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { setNewest } from '../../newest.ts';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';

const loginSchema = v.object({
  name: v.string(),
  /** A digest of what stands for the user's token: another token ends the login. */
  generation: v.string(),
  expiresMs: v.number(),
});

type Login = Readonly<v.InferOutput<typeof loginSchema>>;

/** By the digest of the cookie, so that the file cannot be used to sign in. */
const fileSchema = v.object({ logins: v.array(v.tuple([v.string(), loginSchema])) });

/** How long one stays signed in, in ms. */
const loginMs = 12 * 3_600_000;

/** How many logins there may be, of all and of one user: with one more, the oldest ends. */
const loginLimit = 10_000;
const userLimit = 50;

interface BrowserLoginsOptions {
  /** Where the logins are kept, which survive a restart. */
  readonly path: string;
  readonly users: Users;
  /** Whether the browser's request came by TLS: the cookie is then sent by TLS only. */
  readonly isSecure: (request: IncomingMessage) => boolean;
  readonly onTrouble: (what: string) => void;
}

export class BrowserLogins {
  readonly #options: BrowserLoginsOptions;
  readonly #logins: Map<string, Login>;
  #writing: Promise<void> = Promise.resolve();
  #isDue = false;

  constructor(options: BrowserLoginsOptions) {
    this.#options = options;
    this.#logins = new Map(this.#read());
  }

  #read(): readonly (readonly [string, Login])[] {
    const { path, onTrouble } = this.#options;
    try {
      return v.parse(fileSchema, JSON.parse(readOwnFile(path))).logins;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') {
        onTrouble(`${path} cannot be read, and all have to sign in again: ${messageOf(error)}`);
      }
      return [];
    }
  }

  /** Signs the user in and gives the `Set-Cookie`. */
  async open(request: IncomingMessage, { name }: User): Promise<string> {
    const value = randomBytes(32).toString('base64url');
    const own = [...this.#logins].filter(([, login]) => login.name === name);
    for (const [key] of own.slice(0, Math.max(0, own.length + 1 - userLimit))) {
      this.#logins.delete(key);
    }
    const expiresMs = Date.now() + loginMs;
    const login = { name, generation: this.#generationOf(name) ?? '', expiresMs };
    setNewest(this.#logins, digest(value), login, loginLimit);
    await this.#save();
    return this.#cookie(request, value, loginMs / 1_000);
  }

  /** The current user, if the request's cookie is of a valid login. */
  find(request: IncomingMessage): User | undefined {
    const key = this.#keyOf(request);
    const login = this.#logins.get(key);
    if (login === undefined) return undefined;
    const isSame = this.#generationOf(login.name) === login.generation;
    if (isSame && login.expiresMs > Date.now()) {
      return this.#options.users.current(login.name)?.user;
    }
    this.#logins.delete(key);
    return undefined;
  }

  /** Signs out and gives the `Set-Cookie` that removes the cookie. */
  async close(request: IncomingMessage): Promise<string> {
    if (this.#logins.delete(this.#keyOf(request))) await this.#save();
    return this.#cookie(request, '', 0);
  }

  #generationOf(name: string): string | undefined {
    const current = this.#options.users.current(name);
    return current && digest(current.generation);
  }

  /** One write at a time, each with all that is known when it begins. What cannot be written is known until the end. */
  async #save(): Promise<void> {
    if (!this.#isDue) {
      this.#isDue = true;
      this.#writing = this.#writing.then(() => this.#write());
    }
    await this.#writing;
  }

  async #write(): Promise<void> {
    this.#isDue = false;
    const { path, onTrouble } = this.#options;
    const logins = [...this.#logins].filter(([, { expiresMs }]) => expiresMs > Date.now());
    try {
      await writeWhole(path, `${JSON.stringify({ logins })}\n`);
    } catch (error) {
      onTrouble(`who is signed in cannot be written: ${messageOf(error)}`);
    }
  }

  #cookie(request: IncomingMessage, value: string, maxAge: number): string {
    const secure = this.#options.isSecure(request) ? '; Secure' : '';
    const attributes = `Max-Age=${maxAge}; Path=/; HttpOnly; SameSite=Strict${secure}`;
    return `${this.#nameFor(request)}=${value}; ${attributes}`;
  }

  /** The prefix keeps other hosts of the domain, and plain HTTP, from setting it. */
  #nameFor(request: IncomingMessage): string {
    return this.#options.isSecure(request) ? '__Host-gomote' : 'gomote';
  }

  /** Looked up by digest: the time that takes says nothing of the cookie. */
  #keyOf(request: IncomingMessage): string {
    return digest(cookieIn(request, this.#nameFor(request)));
  }
}

/** The value of the request's cookie of that name; empty when there is none. */
export function cookieIn({ headers }: IncomingMessage, name: string): string {
  const pairs = (headers.cookie ?? '').split(/; */);
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}

export const digest = (value: string): string => hash('sha256', value);
