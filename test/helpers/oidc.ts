// A real OpenID provider, and a browser that signs people in there: it keeps cookies, follows redirects and fills in forms.
import { createServer, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished, vi } from 'vitest';

/** Where the provider sends browsers; `Browser` finds the coordinator that is meant. */
export const publicUrl = 'https://builds.test';

export const clientSecret = 'of-the-client';

/** Groups by the name that people sign in with, which is also their subject. */
export type People = Readonly<Record<string, readonly string[]>>;

/** Starts one that ends with the test; gives its issuer. */
export async function startProvider(people: People): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  // It has much to say of what it is not configured for.
  for (const method of ['info', 'warn'] as const) {
    const spy = vi.spyOn(console, method).mockImplementation(() => undefined);
    onTestFinished(() => spy.mockRestore());
  }
  const { default: Provider } = await import('oidc-provider');
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'gomote',
        client_secret: clientSecret,
        redirect_uris: [`${publicUrl}/page/oidc/callback`],
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
    ],
    pkce: { required: () => true },
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email'] },
    findAccount: async (_context: unknown, id: string) => ({
      accountId: id,
      claims: async () => ({ sub: id, preferred_username: id, groups: people[id] ?? [] }),
    }),
  });
  server.on('request', provider.callback());
  return issuer;
}

interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
}

export class Browser {
  /** `HOST NAME` → value. */
  readonly cookies = new Map<string, string>();
  readonly #coordinator: string;

  /** @param coordinator Where `publicUrl` leads. */
  constructor(coordinator: string) {
    this.#coordinator = coordinator;
  }

  async get(url: string): Promise<Page> {
    return await this.#go('GET', url, undefined);
  }

  /** Sends the first form of the page, and of those that follow, until a page has none; `login` is who signs in. */
  async submit(page: Page, login: string): Promise<Page> {
    const form = /<form[^>]*?action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/.exec(page.text);
    if (form === null || !page.url.startsWith('http://127.0.0.1')) return page;
    const fields = new URLSearchParams();
    for (const [input] of (form[2] ?? '').matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      const value = /value="([^"]*)"/.exec(input)?.[1] ?? '';
      if (name !== undefined) fields.set(name, value);
    }
    if (fields.has('login')) fields.set('login', login);
    if (fields.has('password')) fields.set('password', 'any');
    const action = new URL(form[1] ?? '', page.url).href;
    return await this.submit(await this.#go('POST', action, fields.toString()), login);
  }

  async #go(method: string, url: string, body: string | undefined): Promise<Page> {
    const { host } = new URL(url);
    const cookies = [...this.cookies]
      .filter(([key]) => key.startsWith(`${host} `))
      .map(([key, value]) => `${key.slice(host.length + 1)}=${value}`);
    const send = url.startsWith(publicUrl) ? url.replace(publicUrl, this.#coordinator) : url;
    const outgoing = (send.startsWith('https:') ? tlsRequest : plainRequest)(send, {
      method,
      rejectUnauthorized: false,
      headers: {
        ...(cookies.length > 0 && { Cookie: cookies.join('; ') }),
        ...(body !== undefined && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      },
    });
    outgoing.end(body);
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve).once('error', reject);
    });
    for (const line of reply.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/Max-Age=0|Thu, 01 Jan 1970/.test(line)) this.cookies.delete(`${host} ${name}`);
      else this.cookies.set(`${host} ${name}`, value);
    }
    const content = await text(reply);
    const { location } = reply.headers;
    if (location === undefined) return { url, status: reply.statusCode ?? 0, text: content };
    return await this.#go('GET', new URL(location, url).href, undefined);
  }
}
