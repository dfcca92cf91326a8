// The status page at `/`: signing in with a browser, the page's files, and its events.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { readFormBody, sendError, sendRefusal } from '../../http/server/reply.ts';
import { decodeForm } from '../../protocol/form.ts';
import type { Coordinator } from '../coordinator.ts';
import { type Authenticator, userPrefix } from '../http/authenticator.ts';
import type { CoordinatorExchange, CoordinatorHandler, CoordinatorRoute } from '../http/server.ts';
import type { Log } from '../log.ts';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';
import { BrowserLogins } from './browser-logins.ts';
import { startFeed } from './feed.ts';

interface StatusPageOptions {
  readonly audit: Log;
  readonly coordinator: Coordinator;
  readonly authenticator: Authenticator;
  readonly users: Users;
  /** Whether browsers come by TLS. */
  readonly isSecure: boolean;
  /** Who else signs people in, by name. */
  readonly provider?: string | undefined;
}

const contentTypes = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  events: 'text/event-stream',
} as const;

/** The page loads its own files only, sends forms only here, and is shown in no frame. */
const securityHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** In src/ and in dist/ alike, the files lie in `web/` beside the module. */
const readWeb = (file: string): string =>
  readFileSync(join(import.meta.dirname, 'web', file), 'utf8');

/** A login is a name and a token, sent by nobody knows whom. */
const loginForm = { limitBytes: 16 << 10, timeoutMs: 10_000 };

/** How many feeds there may be at once. */
const feedLimit = 1_000;

export class StatusPage {
  readonly routes: readonly CoordinatorRoute[];
  readonly #options: StatusPageOptions;
  readonly #logins: BrowserLogins;
  readonly #loginPage: string;
  readonly #feeds = new Set<() => void>();
  #isClosed = false;

  constructor(options: StatusPageOptions) {
    this.#options = options;
    this.#logins = new BrowserLogins(options.users, options.isSecure);
    this.#loginPage = withProvider(readWeb('login.html'), options.provider);
    const statusPage = readWeb('status.html');
    const get = (path: string, handle: CoordinatorHandler): CoordinatorRoute => ({
      ...{
        path,
        methods: ['GET'],
        wrongMethod: 'GET required',
        access: 'anyone',
        isForPages: true,
        handle,
      },
    });
    const post = (path: string, handle: CoordinatorHandler): CoordinatorRoute => ({
      ...{
        path,
        methods: ['POST'],
        wrongMethod: 'POST required',
        access: 'anyone',
        isForPages: true,
      },
      handle: async (exchange, user) => {
        if (isOwnForm(exchange.request)) return await handle(exchange, user);
        sendRefusal(exchange.response, 403, 'this form was sent by another site');
      },
    });
    const file = (path: string, name: string, type: 'css' | 'js') => {
      const text = readWeb(name);
      return get(path, ({ response }) => send(response, 200, type, text));
    };
    this.routes = [
      get('/', ({ request, response }) => {
        const isKnown = this.#logins.find(request) !== undefined;
        send(response, 200, 'html', isKnown ? statusPage : this.#loginPage);
      }),
      post('/page/login', (exchange) => this.#login(exchange)),
      post('/page/logout', ({ request, response }) =>
        goHome(response, this.#logins.close(request)),
      ),
      get('/page/events', (exchange) => this.#feed(exchange)),
      file('/page/style.css', 'style.css', 'css'),
      file('/page/status.js', 'status.js', 'js'),
    ];
  }

  async #login({ request, response, address, note, trust }: CoordinatorExchange): Promise<void> {
    let form: URLSearchParams;
    try {
      form = decodeForm(await readFormBody(request, loginForm));
    } catch (error) {
      return sendRefusal(response, 400, messageOf(error));
    }
    const given = (form.get('user') ?? '').trim();
    const name = given.startsWith(userPrefix) ? given : `${userPrefix}${given}`;
    const token = (form.get('token') ?? '').trim();
    const verdict = await this.#options.authenticator.authenticate(name, token, address);
    if ('user' in verdict && verdict.user.isMonitor !== true) {
      note.user = verdict.user.name;
      this.#options.audit.write('sign-in', { by: verdict.user.name, address });
      trust();
      return goHome(response, this.#logins.open(verdict.user));
    }
    this.refuse(response, 'This user and token do not go together.');
  }

  /** Shows the page for signing in, with why it failed. */
  refuse(response: ServerResponse, why: string): void {
    const error = `<p class="error" role="alert">${escaped(why)}</p>`;
    // A function, so that no "$" of the text is taken for more.
    send(
      response,
      401,
      'html',
      this.#loginPage.replace('<!--error-->', () => error),
    );
  }

  /**
   * Signs the user in who has come from another site. The page goes on by itself: with a redirect, the browser would not
   * send the new cookie along.
   */
  welcome(response: ServerResponse, user: User, moreCookie: string): void {
    response.setHeader('Set-Cookie', [this.#logins.open(user), moreCookie]);
    send(response, 200, 'html', readWeb('welcome.html'));
  }

  async #feed({ request, response, note, trust }: CoordinatorExchange): Promise<void> {
    const { coordinator } = this.#options;
    const look = () => {
      const user = this.#logins.find(request);
      return user && { user, view: coordinator.view(user) };
    };
    const seen = look();
    if (seen === undefined) return sendRefusal(response, 401, 'sign in first');
    trust();
    if (this.#isClosed || this.#feeds.size >= feedLimit) {
      return sendError(response, 503, 'no more viewers at the moment');
    }
    note.user = seen.user.name;
    // `no-transform` and the last header keep proxies from holding events back.
    response.writeHead(200, {
      ...securityHeaders,
      'Content-Type': contentTypes.events,
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    });
    const watch = (listener: () => void) => coordinator.watch(listener);
    const end = startFeed(response, { look, watch });
    this.#feeds.add(end);
    response.once('close', () => this.#feeds.delete(end));
  }

  /** Ends all feeds: browsers come again by themselves. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#feeds) end();
  }
}

/** Whether a form comes from our own page: browsers say so by either header, and no page can change them. */
function isOwnForm({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin = '', host } = headers;
  return URL.canParse(origin) && new URL(origin).host === host;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const withProvider = (page: string, provider: string | undefined): string =>
  provider === undefined
    ? page
    : page.replace(
        '<!--provider-->',
        () => `<p><a class="provider" href="/page/oidc">Sign in with ${escaped(provider)}</a></p>`,
      );

function send(
  response: ServerResponse,
  status: number,
  type: keyof typeof contentTypes,
  text: string,
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    ...securityHeaders,
    'Content-Type': contentTypes[type],
    'Content-Length': body.length,
    'Cache-Control': type === 'html' ? 'no-store' : 'no-cache',
  });
  response.end(body);
}

function goHome(response: ServerResponse, cookie: string): void {
  const headers = { Location: '/', 'Set-Cookie': cookie, 'Content-Length': 0 };
  response.writeHead(303, { ...securityHeaders, ...headers }).end();
}
