// Authenticates requests: Basic user `user-<name>` with that user's token, or Bearer with the token. Failures are answered late, and logged.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { basicPair } from '../../http/server/server.ts';
import { setNewest } from '../../newest.ts';
import type { Log } from '../log.ts';
import { operatorName } from '../state/operator-access.ts';
import { hashOf, type User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';

export type Verdict = { readonly user: User } | { readonly status: number; readonly text: string };

const missing = { status: 400, text: 'missing required authentication' };
const expired = {
  status: 401,
  text: 'this token has expired: ask an admin for another (coordinator user rotate)',
};
const wrong = { status: 401, text: 'bad username or password' };

export const userPrefix = 'user-';

/** The user of `coordinator` commands on the coordinator's machine. */
const operator = { name: operatorName, isAdmin: true };

/** The first wrong tokens from an address are answered at once; later replies are delayed more and more, up to this, in ms. */
const freeFailures = 3;
const firstDelayMs = 50;
const longestDelayMs = 3_000;

/** The delay is reset after this long without a wrong token, in ms. */
const forgetMs = 60_000;

/** How many addresses are remembered, and how many replies are delayed at once. Others are answered at once, to save memory. */
const addressLimit = 10_000;
const waitingLimit = 1_000;

export class Authenticator {
  readonly #users: Users;
  readonly #log: Log;
  readonly #operatorToken: string | undefined;
  readonly #failures = new Map<string, { count: number; lastAtMs: number }>();
  #waiting = 0;

  /** @param operatorToken The token of `coordinator` commands on this machine. Absent: none. */
  constructor(users: Users, log: Log, operatorToken?: string) {
    this.#users = users;
    this.#operatorToken = operatorToken;
    this.#log = log;
  }

  /** The user who sent the request, or the refusal: Basic with a name and its token, or Bearer with a token. */
  async check(request: IncomingMessage, address: string): Promise<Verdict> {
    const [, token] = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token !== undefined) return await this.authenticate(undefined, token, address);
    const pair = basicPair(request);
    if (pair === undefined) return missing;
    return await this.authenticate(pair.user, pair.password, address);
  }

  /** The same for a name (with the prefix `user-`) and a token from another source. */
  async authenticate(
    authUser: string | undefined,
    token: string,
    address: string,
  ): Promise<Verdict> {
    if (authUser === undefined || authUser.startsWith(userPrefix)) {
      const name = authUser?.slice(userPrefix.length);
      const user = this.#users.check(name, token);
      if (user !== undefined) return { user };
      if (this.#users.isOver(name, token)) return expired;
    } else if (authUser === operatorName && this.#isOperator(token)) {
      return { user: operator };
    }
    await this.#punish(authUser ?? '', address);
    return wrong;
  }

  #isOperator(token: string): boolean {
    const expected = this.#operatorToken;
    return expected !== undefined && timingSafeEqual(hashOf(token), hashOf(expected));
  }

  /** The name of a known user. Others are not logged: they may be tokens typed in the wrong field. */
  #shown(authUser: string): string {
    const isUser =
      authUser.startsWith(userPrefix) &&
      this.#users.current(authUser.slice(userPrefix.length)) !== undefined;
    return isUser ? authUser : 'unknown';
  }

  async #punish(authUser: string, address: string): Promise<void> {
    const now = Date.now();
    const before = this.#failures.get(address);
    const count = before === undefined || now - before.lastAtMs > forgetMs ? 1 : before.count + 1;
    setNewest(this.#failures, address, { count, lastAtMs: now }, addressLimit);
    this.#log.write('wrong-token', { user: this.#shown(authUser), address, count });
    if (count <= freeFailures || this.#waiting >= waitingLimit) return;
    const delayMs = Math.min(firstDelayMs * 2 ** (count - freeFailures - 1), longestDelayMs);
    this.#waiting++;
    await sleep(delayMs);
    this.#waiting--;
  }
}
