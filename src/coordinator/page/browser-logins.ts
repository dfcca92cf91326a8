// Who is signed in with a browser: a random cookie for each, its digest kept here, until it ends or the token changes.
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';

interface Login {
  readonly name: string;
  /** Of the user's token: another token ends the login. */
  readonly generation: string;
  readonly expiresMs: number;
}

/** How long one stays signed in, in ms. */
const loginMs = 12 * 3_600_000;

/** How many logins there may be: with one more, the oldest ends. */
const loginLimit = 10_000;

export class BrowserLogins {
  readonly #users: Users;
  readonly #cookieName: string;
  readonly #attributes: string;
  readonly #logins = new Map<string, Login>();

  /** @param isSecure Whether browsers come by TLS: the cookie then goes no other way. */
  constructor(users: Users, isSecure: boolean) {
    this.#users = users;
    // The prefix keeps other hosts of the domain, and plain HTTP, from setting it.
    this.#cookieName = isSecure ? '__Host-gomote' : 'gomote';
    this.#attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  }

  /** Signs the user in and gives the `Set-Cookie`. */
  open({ name }: User): string {
    const value = randomBytes(32).toString('base64url');
    const generation = this.#users.current(name)?.generation ?? '';
    this.#logins.set(digest(value), { name, generation, expiresMs: Date.now() + loginMs });
    const [oldest] = this.#logins.keys();
    if (this.#logins.size > loginLimit && oldest !== undefined) this.#logins.delete(oldest);
    return `${this.#cookieName}=${value}; Max-Age=${loginMs / 1_000}; ${this.#attributes}`;
  }

  /** The user as of now, if the request's cookie is of a login that goes on. */
  find(request: IncomingMessage): User | undefined {
    const key = this.#keyOf(request);
    const login = this.#logins.get(key);
    if (login === undefined) return undefined;
    const current = this.#users.current(login.name);
    if (current?.generation === login.generation && login.expiresMs > Date.now()) {
      return current.user;
    }
    this.#logins.delete(key);
    return undefined;
  }

  /** Signs out and gives the `Set-Cookie` that removes the cookie. */
  close(request: IncomingMessage): string {
    this.#logins.delete(this.#keyOf(request));
    return `${this.#cookieName}=; Max-Age=0; ${this.#attributes}`;
  }

  /** Looked up by digest: the time that takes says nothing of the cookie. */
  #keyOf(request: IncomingMessage): string {
    const pairs = (request.headers.cookie ?? '').split(/; */);
    const pair = pairs.find((text) => text.startsWith(`${this.#cookieName}=`));
    return digest(pair?.slice(this.#cookieName.length + 1) ?? '');
  }
}

const digest = (value: string): string => createHash('sha256').update(value).digest('hex');
