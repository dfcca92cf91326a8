// How a request of a browser gets to its handler: for anyone, or for whoever is signed in; forms only from our own page.
import type { IncomingMessage } from 'node:http';
import { sendError, sendRefusal } from '../../http/server/reply.ts';
import { causedBy } from '../audit.ts';
import { type CoordinatorHandler, type CoordinatorRoute, route } from '../http/server.ts';
import type { BrowserLogins } from './browser-logins.ts';

const pageRoute = (
  method: 'GET' | 'POST',
  path: string,
  handle: CoordinatorHandler,
): CoordinatorRoute => ({ ...route(method, path, 'anyone', handle), isForPages: true });

export class PageRoutes {
  readonly #logins: BrowserLogins;

  constructor(logins: BrowserLogins) {
    this.#logins = logins;
  }

  readonly get = (path: string, handle: CoordinatorHandler): CoordinatorRoute =>
    pageRoute('GET', path, handle);

  /** A form of our own page. */
  readonly form = (path: string, handle: CoordinatorHandler): CoordinatorRoute =>
    pageRoute('POST', path, async (exchange, user) => {
      if (isOwnForm(exchange.request)) return await handle(exchange, user);
      sendRefusal(exchange.response, 403, 'this form was sent by another site');
    });

  /** For whoever is signed in. */
  readonly view = (path: string, handle: CoordinatorHandler): CoordinatorRoute =>
    this.get(path, this.#signedIn(handle));

  /** A form of our own page, by whoever is signed in. */
  readonly act = (path: string, handle: CoordinatorHandler): CoordinatorRoute =>
    this.form(path, this.#signedIn(handle));

  readonly #signedIn =
    (handle: CoordinatorHandler): CoordinatorHandler =>
    async (exchange) => {
      const user = this.#logins.find(exchange.request);
      if (user === undefined) return sendRefusal(exchange.response, 401, 'sign in first');
      exchange.trust();
      exchange.note.user = user.name;
      causedBy(user.name);
      await handle(exchange, user);
    };
}

/** Whether a form comes from our own page: browsers say so by either header, and no page can change them. */
function isOwnForm({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin = '', host } = headers;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** How many long replies there may be at once, of all and for one user. */
export class Viewers {
  readonly #limits: { readonly all: number; readonly each: number };
  readonly #open = new Map<() => void, string>();
  #isClosed = false;

  constructor(limits: { readonly all: number; readonly each: number }) {
    this.#limits = limits;
  }

  /** Notes one until its reply is over, or answers that there is no room for one more. */
  admit(
    { response }: Pick<Parameters<CoordinatorHandler>[0], 'response'>,
    user: string,
    end: () => void,
  ): boolean {
    const { all, each } = this.#limits;
    const own = [...this.#open.values()].filter((name) => name === user).length;
    if (this.#isClosed || this.#open.size >= all || own >= each) {
      sendError(response, 503, 'no more viewers at the moment');
      return false;
    }
    this.#open.set(end, user);
    response.once('close', () => this.#open.delete(end));
    return true;
  }

  /** Ends all: browsers come again by themselves. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#open.keys()) end();
  }
}
