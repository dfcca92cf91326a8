// The page in browsers: signing in, its files, and what it shows.

import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { readFormBody, sendRefusal } from '../../http/server/reply.ts';
import { decodeForm } from '../../protocol/form.ts';
import type { Coordinator } from '../coordinator.ts';
import { type Authenticator, userPrefix } from '../http/authenticator.ts';
import type { CoordinatorExchange, CoordinatorRoute } from '../http/server.ts';
import type { Log } from '../log.ts';
import type { Readiness } from '../readiness.ts';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';
import { BrowserLogins } from './browser-logins.ts';
import { startFeed } from './feed.ts';
import { overviewOf } from './overview.ts';
import { escaped, eventHeaders, goHome, send } from './page-reply.ts';
import { PageRoutes, Viewers } from './page-routes.ts';
import type { PoolLoads } from './pool-loads.ts';

interface StatusPageOptions {
  readonly log: Log;
  readonly audit: Log;
  readonly coordinator: Coordinator;
  readonly authenticator: Authenticator;
  readonly users: Users;
  readonly readiness: () => Promise<Readiness>;
  readonly loads: PoolLoads;
  readonly graceMs: number;
  /** Where it is kept who is signed in. */
  readonly loginsPath: string;
  /** Whether the browser's request comes by TLS. */
  readonly isSecure: (request: IncomingMessage) => boolean;
  /** Who else signs people in, by name. */
  readonly provider?: string | undefined;
}

/** In src/ and in dist/ alike, the files lie in `web/` beside the module. */
const webDirectory = join(import.meta.dirname, 'web');

const readWeb = (file: string): string => readFileSync(join(webDirectory, file), 'utf8');

/** A login is a name and a token, sent by nobody knows whom. */
const loginForm = { limitBytes: 16 << 10, timeoutMs: 10_000 };

export class StatusPage {
  readonly routes: readonly CoordinatorRoute[];
  readonly #options: StatusPageOptions;
  readonly #logins: BrowserLogins;
  readonly #loginPage: string;
  readonly #viewers = new Viewers({ all: 1_000, each: 100 });

  constructor(options: StatusPageOptions) {
    this.#options = options;
    const { users, loginsPath: path, isSecure, log } = options;
    const onTrouble = (what: string) => log.write('trouble', { what });
    this.#logins = new BrowserLogins({ users, path, isSecure, onTrouble });
    this.#loginPage = withProvider(readWeb('login.html'), options.provider);
    const statusPage = readWeb('status.html');
    const { get, form, view } = new PageRoutes(this.#logins);
    this.routes = [
      get('/', ({ request, response }) => {
        const isKnown = this.#logins.find(request) !== undefined;
        send(response, 200, 'html', isKnown ? statusPage : this.#loginPage);
      }),
      form('/page/login', (exchange) => this.#login(exchange)),
      form('/page/logout', async ({ request, response }) =>
        goHome(response, await this.#logins.close(request)),
      ),
      view('/page/events', (exchange, user) => this.#feed(exchange, user)),
      ...readdirSync(webDirectory).flatMap((file) => {
        const type = /\.(css|js)$/.exec(file)?.[1];
        if (type !== 'css' && type !== 'js') return [];
        const text = readWeb(file);
        return get(`/page/${file}`, ({ response }) => send(response, 200, type, text));
      }),
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
      return goHome(response, await this.#logins.open(request, verdict.user));
    }
    this.refuse(response, 'This user and token do not go together.');
  }

  /** Shows the page for signing in, with why it failed. */
  refuse(response: ServerResponse, why: string): void {
    const error = `<p class="error" role="alert">${escaped(why)}</p>`;
    // A function, so that no "$" of the text is taken for more.
    const page = this.#loginPage.replace('<!--error-->', () => error);
    send(response, 401, 'html', page);
  }

  /**
   * Signs the user in who has come from another site. The page goes on by itself: with a redirect, the browser would not
   * send the new cookie along.
   */
  async welcome(
    { request, response }: CoordinatorExchange,
    user: User,
    moreCookie: string,
  ): Promise<void> {
    response.setHeader('Set-Cookie', [await this.#logins.open(request, user), moreCookie]);
    send(response, 200, 'html', readWeb('welcome.html'));
  }

  #feed(exchange: CoordinatorExchange, { name }: User): void {
    const { request, response } = exchange;
    if (this.#viewers.isFull(exchange, name)) return;
    const { coordinator } = this.#options;
    const look = async () => {
      const user = this.#logins.find(request);
      return user && (await overviewOf(this.#options, user));
    };
    response.writeHead(200, eventHeaders);
    const watch = (listener: () => void) => coordinator.watch(listener);
    const end = startFeed(response, { look, watch });
    response.once('close', this.#viewers.add(name, end));
  }

  /** Ends all feeds: browsers come again by themselves. */
  close(): void {
    this.#viewers.close();
  }
}

const withProvider = (page: string, provider: string | undefined): string =>
  provider === undefined
    ? page
    : page.replace(
        '<!--provider-->',
        () => `<p><a class="provider" href="/page/oidc">Sign in with ${escaped(provider)}</a></p>`,
      );
