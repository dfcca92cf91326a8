// The page in browsers: signing in, its files, and what it shows.
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { readForm, sendError, sendRefusal } from '../../http/server/reply.ts';
import type { Coordinator } from '../coordinator.ts';
import { type Authenticator, userPrefix } from '../http/authenticator.ts';
import type { CoordinatorExchange, CoordinatorRoute } from '../http/server.ts';
import type { Log } from '../log.ts';
import type { Readiness } from '../readiness.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';
import { BrowserLogins } from './browser-logins.ts';
import { buildletPageState, endedFor, isKnown } from './buildlet-page.ts';
import { type PageState, startFeed } from './feed.ts';
import type { History } from './history.ts';
import { overviewOf } from './overview.ts';
import { pageActions } from './page-actions.ts';
import { escaped, eventHeaders, goHome, send } from './page-reply.ts';
import { PageRoutes, Viewers } from './page-routes.ts';
import { peopleOf } from './people.ts';
import type { PoolLoads } from './pool-loads.ts';
import { RunOutput } from './run-output.ts';
import { sendNoBuildlet } from './seen-sessions.ts';

interface StatusPageOptions {
  readonly log: Log;
  readonly audit: Log;
  readonly coordinator: Coordinator;
  readonly authenticator: Authenticator;
  readonly users: Users;
  readonly readiness: () => Promise<Readiness>;
  readonly loads: PoolLoads;
  readonly graceMs: number;
  readonly book: SessionBook;
  readonly history: History;
  /** Whether the arguments of commands may be shown. */
  readonly withArguments: boolean;
  /** Where it is kept who is signed in. */
  readonly loginsPath: string;
  /** Whether the browser's request came by TLS. */
  readonly isSecure: (request: IncomingMessage) => boolean;
}

/** In src/ and in dist/ alike, the files lie in `web/` beside the module. */
const webDirectory = join(import.meta.dirname, 'web');

const readWeb = (file: string): string => readFileSync(join(webDirectory, file), 'utf8');

/** A login: a name and a token, not yet verified. */
const loginForm = { limitBytes: 16 << 10, timeoutMs: 10_000 };

export class StatusPage {
  readonly routes: readonly CoordinatorRoute[];
  readonly #options: StatusPageOptions;
  readonly #logins: BrowserLogins;
  #loginPage = readWeb('login.html');
  readonly #viewers = new Viewers({ all: 1_000, each: 100 });

  constructor(options: StatusPageOptions) {
    const { users, loginsPath: path, isSecure, log } = options;
    this.#options = options;
    const onTrouble = (what: string) => log.write('trouble', { what });
    this.#logins = new BrowserLogins({ users, path, isSecure, onTrouble });
    const output = new RunOutput(options, this.#viewers);
    const pageRoutes = new PageRoutes(this.#logins);
    const { get, form, view } = pageRoutes;
    this.routes = [
      get('/', (exchange) => this.#page(exchange, 'status.html')),
      get('/page/buildlet', (exchange) => this.#page(exchange, 'buildlet.html')),
      form('/page/login', (exchange) => this.#login(exchange)),
      form('/page/logout', async ({ request, response }) =>
        goHome(response, await this.#logins.close(request)),
      ),
      view('/page/events', (exchange, { name }) =>
        this.#feed(exchange, name, (user) => overviewOf(this.#options, user)),
      ),
      view('/page/buildlet/events', (exchange, user) => {
        const name = exchange.query.get('name') ?? '';
        if (!isKnown(this.#options, user, name)) return sendNoBuildlet(exchange);
        this.#feed(exchange, user.name, (viewer) => buildletPageState(this.#options, viewer, name));
      }),
      view('/page/run/events', output.live),
      view('/page/run/output', output.file),
      view('/page/ended', ({ response }, user) =>
        send(response, 200, 'json', JSON.stringify(endedFor(this.#options, user))),
      ),
      view('/page/people', ({ response }, user) => {
        if (!user.isAdmin) return sendError(response, 401, 'only for admins');
        send(response, 200, 'json', JSON.stringify(peopleOf(this.#options)));
      }),
      ...pageActions(this.#options, pageRoutes),
      ...readdirSync(webDirectory).flatMap((file) => {
        const type = /\.(css|js)$/.exec(file)?.[1];
        if (type !== 'css' && type !== 'js') return [];
        const text = readWeb(file);
        return get(`/page/${file}`, ({ response }) => send(response, 200, type, text));
      }),
    ];
  }

  /**
   * The page, or the form to sign in. With a link from elsewhere browsers send no cookie: the page then asks for itself
   * once more.
   */
  #page({ request, response, query, trust }: CoordinatorExchange, file: string): void {
    const user = this.#logins.find(request);
    const isLink = ['cross-site', 'same-site'].includes(String(request.headers['sec-fetch-site']));
    if (user === undefined) {
      const isOnTheWay = isLink && !query.has('again');
      send(response, 200, 'html', isOnTheWay ? this.#web('again.html') : this.#loginPage);
      return;
    }
    trust();
    const name = query.get('name');
    const isThere = name === null || isKnown(this.#options, user, name);
    send(response, isThere ? 200 : 404, 'html', this.#web(file));
  }

  readonly #files = new Map<string, string>();

  #web(file: string): string {
    const text = this.#files.get(file) ?? readWeb(file);
    this.#files.set(file, text);
    return text;
  }

  /** Offers to sign in with this provider; undefined: with none. */
  offer(provider: string | undefined): void {
    this.#loginPage = withProvider(readWeb('login.html'), provider);
  }

  async #login({ request, response, address, note, trust }: CoordinatorExchange): Promise<void> {
    let form: URLSearchParams;
    try {
      form = await readForm(request, loginForm);
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
    this.refuse(response, 'The user or the token is wrong.');
  }

  /** Shows the page for signing in, with why it failed. */
  refuse(response: ServerResponse, why: string): void {
    const error = `<p class="error" role="alert">${escaped(why)}</p>`;
    // A function, so that "$" in the text has no special meaning.
    const page = this.#loginPage.replace('<!--error-->', () => error);
    send(response, 401, 'html', page);
  }

  /**
   * Signs the user in who has come from another site. The page continues by itself: with a redirect, the browser would not
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

  #feed(
    exchange: CoordinatorExchange,
    name: string,
    lookFor: (user: User) => Promise<PageState>,
  ): void {
    const { request, response } = exchange;
    if (!this.#viewers.admit(exchange, name, () => response.end())) return;
    const look = async () => {
      const user = this.#logins.find(request);
      return user && (await lookFor(user));
    };
    response.writeHead(200, eventHeaders);
    const watch = (listener: () => void) => this.#options.coordinator.changes.watch(listener);
    startFeed(response, { look, watch });
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
