// Signing in by the provider: with a browser, and for `gomote login` with a code that is typed on another device.
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../errors.ts';
import { readForm, sendRefusal, sendText } from '../../http/server/reply.ts';
import { setNewest } from '../../newest.ts';
import { contentTypes, coordinatorPaths } from '../../protocol/endpoints.ts';
import type { CoordinatorExchange, CoordinatorRoute } from '../http/server.ts';
import type { Log } from '../log.ts';
import { cookieIn, digest } from '../page/browser-logins.ts';
import type { StatusPage } from '../page/status-page.ts';
import type { User } from '../state/user-records.ts';
import type { Users } from '../state/users.ts';
import type { OidcConfig } from './config.ts';
import { type Claims, identityOf } from './identity.ts';
import { type Challenge, type DeviceStart, OidcProvider } from './provider.ts';

interface SignInOptions {
  readonly users: Users;
  readonly page: StatusPage;
  readonly audit: Log;
}

/** The maximum number of pending sign-ins, and their time limit, in ms. */
const pendingLimit = 1_000;
const browserMs = 600_000;

const smallForm = { limitBytes: 4 << 10, timeoutMs: 10_000 };

interface DeviceLogin extends DeviceStart {
  /** The earliest time of the next request to the provider. */
  nextAtMs: number;
  intervalMs: number;
}

export class SignIn {
  readonly routes: readonly CoordinatorRoute[];
  readonly #options: SignInOptions;
  #provider: OidcProvider | undefined;
  /** By the digest of what the browser holds in a cookie. */
  readonly #browsers = new Map<string, Challenge & { readonly expiresAtMs: number }>();
  readonly #devices = new Map<string, DeviceLogin>();

  constructor(options: SignInOptions) {
    this.#options = options;
    const forPages = { method: 'GET', access: 'anyone', isForPages: true } as const;
    const device = { method: 'POST', access: 'anyone' } as const;
    this.routes = [
      { path: '/page/oidc', ...forPages, handle: this.#with(this.#begin) },
      { path: '/page/oidc/callback', ...forPages, handle: this.#with(this.#finish) },
      { path: coordinatorPaths.device, ...device, handle: this.#with(this.#device) },
    ];
  }

  /** Switches to this provider, or to none. With another provider, pending sign-ins are dropped. */
  use(config: OidcConfig | undefined): void {
    if (this.#provider !== undefined && isDeepStrictEqual(this.#provider.config, config)) return;
    this.#provider = config && new OidcProvider(config);
    this.#browsers.clear();
    this.#devices.clear();
    this.#options.page.offer(config && new URL(config.issuer).host);
  }

  readonly #with =
    (handle: (exchange: CoordinatorExchange, provider: OidcProvider) => Promise<void>) =>
    async (exchange: CoordinatorExchange): Promise<void> => {
      if (this.#provider === undefined) sendRefusal(exchange.response, 404, '404 page not found');
      else await handle.call(this, exchange, this.#provider);
    };

  /** The prefix of the name keeps other hosts of the domain, and plain HTTP, from setting the cookie. */
  #cookieOf({ config }: OidcProvider): { readonly name: string; readonly attributes: string } {
    const isSecure = config.url.startsWith('https:');
    // The browser returns from another site, and must send the cookie.
    const attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
    return { name: isSecure ? '__Host-gomote-oidc' : 'gomote-oidc', attributes };
  }

  async #begin({ response, note }: CoordinatorExchange, provider: OidcProvider): Promise<void> {
    try {
      const { url, challenge } = await provider.begin();
      const value = randomBytes(32).toString('base64url');
      const pending = { ...challenge, expiresAtMs: Date.now() + browserMs };
      setNewest(this.#browsers, digest(value), pending, pendingLimit);
      const { name, attributes } = this.#cookieOf(provider);
      const cookie = `${name}=${value}; Max-Age=${browserMs / 1_000}; ${attributes}`;
      response.writeHead(303, { Location: url, 'Set-Cookie': cookie, 'Content-Length': 0 }).end();
    } catch (error) {
      note.error = messageOf(error);
      this.#options.page.refuse(
        response,
        'The sign-in service cannot be reached. Try again later.',
      );
    }
  }

  async #finish(exchange: CoordinatorExchange, provider: OidcProvider): Promise<void> {
    const { request, response, query, note, trust } = exchange;
    const { page } = this.#options;
    const { name, attributes } = this.#cookieOf(provider);
    const key = digest(cookieIn(request, name));
    const challenge = this.#browsers.get(key);
    this.#browsers.delete(key);
    if (challenge === undefined || challenge.expiresAtMs < Date.now()) {
      return page.refuse(response, 'This sign-in was not begun in this browser, or took too long.');
    }
    try {
      const claims = await provider.finish(query, challenge);
      const { user } = await this.#admit(claims, provider.config, false);
      note.user = user.name;
      trust();
      await page.welcome(exchange, user, `${name}=; Max-Age=0; ${attributes}`);
    } catch (error) {
      note.error = messageOf(error);
      page.refuse(response, `You cannot sign in: ${messageOf(error)}.`);
    }
  }

  /** Without an id, begins a sign-in; with one, checks whether it is complete. */
  async #device(
    { request, response, note }: CoordinatorExchange,
    provider: OidcProvider,
  ): Promise<void> {
    const id = (await readForm(request, smallForm)).get('id');
    const json = (value: object) =>
      sendText(response, `${JSON.stringify(value)}\n`, contentTypes.json);
    try {
      if (id === null) return json(await this.#beginDevice(provider));
      const login = this.#devices.get(digest(id));
      if (login === undefined || login.expiresAtMs < Date.now()) {
        return sendRefusal(response, 401, 'this sign-in took too long: begin again');
      }
      if (Date.now() < login.nextAtMs) return json({ State: 'pending' });
      login.nextAtMs = Date.now() + login.intervalMs;
      const claims = await provider.finishDevice(login.deviceCode);
      if (claims === 'slow down') login.intervalMs += 5_000;
      if (typeof claims === 'string') return json({ State: 'pending' });
      this.#devices.delete(digest(id));
      const { user, token } = await this.#admit(claims, provider.config, true);
      note.user = user.name;
      json({ State: 'done', User: user.name, Token: token });
    } catch (error) {
      note.error = messageOf(error);
      sendRefusal(response, 401, `you cannot sign in: ${messageOf(error)}`);
    }
  }

  async #beginDevice(provider: OidcProvider): Promise<object> {
    const start = await provider.beginDevice();
    const id = randomBytes(32).toString('base64url');
    setNewest(this.#devices, digest(id), { ...start, nextAtMs: Date.now() }, pendingLimit);
    const { url, userCode, intervalMs } = start;
    return { Id: id, Url: url, Code: userCode, IntervalMs: intervalMs };
  }

  async #admit(
    claims: Claims,
    config: OidcConfig,
    wantsToken: boolean,
  ): Promise<{ user: User; token: string }> {
    const { users, audit } = this.#options;
    const identity = identityOf(claims, config);
    const admitted = await users.admit(identity, wantsToken ? config.tokenMs : 0);
    const { name, role } = identity;
    audit.write('sign-in', { by: name, role, issuer: config.issuer });
    return admitted;
  }
}
