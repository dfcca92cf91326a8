// What the status page says over HTTP: who gets in, what guards it, what its events hold.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

const users = { me: {}, other: {}, boss: { role: 'admin' } } as const;

interface Ask extends RequestOptions {
  readonly form?: Record<string, string>;
}

function open({ url }: TestCoordinator, path: string, { form, ...options }: Ask = {}) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const asking = request(new URL(path, url), {
      rejectUnauthorized: false,
      method: form === undefined ? 'GET' : 'POST',
      ...options,
    });
    asking.once('response', resolve).once('error', reject);
    asking.end(form === undefined ? '' : new URLSearchParams(form).toString());
  });
}

async function ask(coordinator: TestCoordinator, path: string, options: Ask = {}) {
  const reply = await open(coordinator, path, options);
  return { status: reply.statusCode, headers: reply.headers, body: await text(reply) };
}

/** Signs in; the value is the cookie to send. */
async function signIn(coordinator: TestCoordinator, user: string): Promise<string> {
  const { headers } = await ask(coordinator, '/page/login', {
    form: { user, token: tokenOf(user) },
    headers: { Origin: coordinator.url },
  });
  return headers['set-cookie']?.[0]?.split(';')[0] ?? '';
}

type Event = Record<string, unknown> & {
  isFirst: boolean;
  buildlets: { changed: { name: string }[]; gone: string[] };
};

/** Collects the events of a signed-in viewer, until the test ends. */
async function follow(coordinator: TestCoordinator, cookie: string): Promise<Event[]> {
  const reply = await open(coordinator, '/page/events', { headers: { Cookie: cookie } });
  expect(reply.headers['content-type']).toBe('text/event-stream');
  onTestFinished(() => void reply.destroy());
  const events: Event[] = [];
  let rest = '';
  reply.on('error', () => undefined).setEncoding('utf8');
  reply.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^event: state\ndata: (.*)$/.exec(block)?.[1];
      if (data !== undefined) events.push(JSON.parse(data));
    }
  });
  return events;
}

const namesIn = (events: readonly Event[]): string[] =>
  events.flatMap(({ buildlets }) => buildlets.changed.map(({ name }) => name));

describe('the page over HTTP', () => {
  it('is a sign-in form for users who are not signed in, and loads nothing from other sites', async () => {
    const coordinator = await startCoordinator({ users });
    const { status, headers, body } = await ask(coordinator, '/');
    expect(status).toBe(200);
    expect(body).toContain('action="/page/login"');
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    });
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]),
    );
    expect(policy.join()).not.toMatch(/unsafe|http|\*/);
  });

  it('sets a cookie that no script reads, that no other site sends, and that only TLS carries', async () => {
    const coordinator = await startCoordinator({ users });
    const { status, headers } = await ask(coordinator, '/page/login', {
      form: { user: 'user-me', token: tokenOf('me') },
      headers: { Origin: coordinator.url },
    });
    expect({ status, location: headers.location }).toEqual({ status: 303, location: '/' });
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(
        /^__Host-gomote=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
      ),
    ]);
    expect(JSON.stringify(coordinator.log)).not.toContain(tokenOf('me'));
  });

  it('over plain HTTP on this machine sets a cookie that plain HTTP can carry', async () => {
    const coordinator = await startCoordinator({ users, toml: 'tls = "off"' });
    const reply = await fetch(new URL('/page/login', coordinator.url), {
      method: 'POST',
      body: new URLSearchParams({ user: 'me', token: tokenOf('me') }),
      headers: { Origin: coordinator.url },
      redirect: 'manual',
    });
    expect(reply.headers.getSetCookie()[0]).toMatch(/^gomote=.*HttpOnly; SameSite=Strict$/);
  });

  it('behind a balancer that does TLS sets a cookie that only TLS carries, where the balancer is trusted', async () => {
    const cookieOf = async (toml: string, proto: string): Promise<string | undefined> => {
      const coordinator = await startCoordinator({ users, toml: `tls = "off"\n${toml}` });
      const reply = await fetch(new URL('/page/login', coordinator.url), {
        method: 'POST',
        body: new URLSearchParams({ user: 'me', token: tokenOf('me') }),
        headers: { 'Sec-Fetch-Site': 'same-origin', 'X-Forwarded-Proto': proto },
        redirect: 'manual',
      });
      return reply.headers.getSetCookie()[0];
    };
    const trusted = 'trusted-proxies = ["127.0.0.1"]';
    for (const proto of ['https', 'HTTPS', 'https, http']) {
      expect(await cookieOf(trusted, proto)).toMatch(/^__Host-gomote=.*; Path=\/;.*; Secure$/);
    }
    for (const [toml, proto] of [
      ['', 'https'],
      ['trusted-proxies = ["10.0.0.1"]', 'https'],
      [trusted, 'http'],
      [trusted, 'httpss'],
    ] as const) {
      expect(await cookieOf(toml, proto)).toMatch(/^gomote=[^;]*; [^_]*SameSite=Strict$/);
    }
  });

  it.each([
    ['no word of where from', {}],
    ['another origin', { Origin: 'https://evil.example' }],
    ['an opaque origin', { Origin: 'null' }],
    ['a browser that says cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a browser that says same-site', { 'Sec-Fetch-Site': 'same-site' }],
  ])('accepts no form with %s', async (_, headers) => {
    const coordinator = await startCoordinator({ users });
    const form = { user: 'me', token: tokenOf('me') };
    const { status, headers: replied } = await ask(coordinator, '/page/login', { form, headers });
    expect(status).toBe(403);
    expect(replied['set-cookie']).toBeUndefined();
  });

  it('drains machines for admins only, by its own form', async () => {
    const coordinator = await startCoordinator({ users: { me: {}, boss: { role: 'admin' } } });
    const machine = coordinator.coordinator.machines.list()[0]?.machine ?? '';
    const cookies = {
      me: await signIn(coordinator, 'me'),
      boss: await signIn(coordinator, 'boss'),
    };
    const drain = async (user: 'me' | 'boss', site: string, form: Record<string, string>) => {
      const headers = { Cookie: cookies[user], 'Sec-Fetch-Site': site };
      return (await ask(coordinator, '/page/drain', { form, headers })).status;
    };
    expect(await drain('me', 'same-origin', { machine })).toBe(403);
    expect(await drain('boss', 'cross-site', { machine })).toBe(403);
    expect(await drain('boss', 'same-origin', { machine: 'none' })).toBe(400);
    expect(await drain('boss', 'same-origin', { machine, note: 'a\nb' })).toBe(400);
    expect(coordinator.coordinator.machines.list()[0]?.drained).toBeUndefined();
    expect(await drain('boss', 'same-origin', { machine, note: 'why' })).toBe(200);
    expect(coordinator.coordinator.machines.list()[0]?.drained?.note).toBe('why');
  });

  it('shows nothing without a cookie, with a made-up one, or after signing out', async () => {
    const coordinator = await startCoordinator({ users });
    const cookie = await signIn(coordinator, 'me');
    const events = (Cookie: string) =>
      ask(coordinator, '/page/events', { headers: Cookie === '' ? {} : { Cookie } });
    expect(await events('')).toMatchObject({ status: 401, body: 'sign in first\n' });
    expect(await events('__Host-gomote=')).toMatchObject({ status: 401 });
    expect(await events(`__Host-gomote=${'A'.repeat(43)}`)).toMatchObject({ status: 401 });
    const headers = { Cookie: cookie, Origin: coordinator.url };
    expect((await ask(coordinator, '/page/logout', { form: {}, headers })).headers).toMatchObject({
      'set-cookie': [expect.stringContaining('Max-Age=0')],
    });
    expect(await events(cookie)).toMatchObject({ status: 401 });
  });

  it('remembers after a restart who is signed in, and who signed out or has another token', async () => {
    const coordinator = await startCoordinator({ users });
    const [stays = '', leaves = '', changes = ''] = await Promise.all(
      ['me', 'me', 'other'].map((user) => signIn(coordinator, user)),
    );
    const headers = { Cookie: leaves, Origin: coordinator.url };
    await ask(coordinator, '/page/logout', { form: {}, headers });
    const file = join(coordinator.directory, 'state', 'logins.json');
    await coordinator.restart(() => {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      for (const cookie of [stays, changes]) {
        expect(readFileSync(file, 'utf8')).not.toContain(cookie.split('=')[1]);
      }
    });
    await coordinator.users.rotate('other');
    const statusOf = async (Cookie: string) => {
      const reply = await open(coordinator, '/page/events', { headers: { Cookie } });
      reply.destroy();
      return reply.statusCode;
    };
    expect(await Promise.all([stays, leaves, changes].map(statusOf))).toEqual([200, 401, 401]);
    await coordinator.restart(() => writeFileSync(file, '{"logins":[["x"', { mode: 0o600 }));
    expect(await statusOf(stays)).toBe(401);
    expect(coordinator.log).toContainEqual({
      event: 'trouble',
      what: expect.stringContaining('all have to sign in again'),
    });
  });

  it('delays replies to wrong tokens, and logs that', async () => {
    const coordinator = await startCoordinator({ users });
    const form = { user: 'me', token: 'wrong' };
    for (let time = 0; time < 4; time++) {
      const headers = { Origin: coordinator.url };
      const reply = await ask(coordinator, '/page/login', { form, headers });
      expect(reply).toMatchObject({ status: 401, body: expect.stringContaining('role="alert"') });
    }
    expect(coordinator.log.filter(({ event }) => event === 'wrong-token')).toHaveLength(4);
  });

  it('leaves requests that name a buildlet to the buildlet', async () => {
    const coordinator = await startCoordinator({ users });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const pair = Buffer.from(`user-me:${tokenOf('me')}`).toString('base64');
    const { body } = await ask(coordinator, '/', {
      headers: { 'X-Buildlet-Proxy': name, Authorization: `Basic ${pair}` },
    });
    expect(body).toMatch(/^buildlet running on /);
  });
});

describe('the page of a buildlet', () => {
  it('does not exist for other users, at every address, and shows nothing before the sign-in', async () => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const other = await coordinator.client('other').createBuildlet('linux');
    onTestFinished(() => other.disconnect());
    const run = await other.sessions.start({
      cmd: 'sleep',
      systemLevel: true,
      args: ['1000'],
      detach: true,
    });
    const gone = await coordinator.client('other').createBuildlet('linux');
    await gone.halt();
    await gone.disconnect();
    const cookie = await signIn(coordinator, 'me');
    const names = ['user-other-linux-0', 'user-other-linux-1', 'user-other-linux-9', '../x', ''];
    const requests = (name: string) => {
      const query = new URLSearchParams({ name, run: run?.id ?? '' });
      return [
        { path: `/page/buildlet?${query}` },
        { path: `/page/buildlet/events?${query}` },
        { path: `/page/run/events?${query}` },
        { path: `/page/run/output?${query}` },
        ...['destroy', 'extend', 'cancel'].map((action) => ({
          path: `/page/${action}`,
          form: { name, run: run?.id ?? '', duration: '1h' },
        })),
      ];
    };
    const answers = async (name: string, headers: Record<string, string>) =>
      await Promise.all(
        requests(name).map(async ({ path, ...rest }) => {
          const { status, body } = await ask(coordinator, path, { ...rest, headers });
          return { status, body };
        }),
      );
    const own = { Cookie: cookie, Origin: coordinator.url };
    const [first, ...others] = await Promise.all(names.map((name) => answers(name, own)));
    expect(first?.map(({ status }) => status)).toEqual(Array(7).fill(404));
    for (const one of others) expect(one).toEqual(first);
    const before = await answers(names[0] ?? '', { Origin: coordinator.url });
    expect(before.map(({ status }) => status)).toEqual([200, ...Array(6).fill(401)]);
    expect(before[0]?.body).toContain('action="/page/login"');
    for (const path of ['/page/ended', '/page/people', '/page/events']) {
      expect(await ask(coordinator, path)).toMatchObject({ status: 401, body: 'sign in first\n' });
    }
    const none = await ask(coordinator, '/page/ended', { headers: { Cookie: cookie } });
    expect(none).toMatchObject({ status: 200, body: '[]' });
    const people = await ask(coordinator, '/page/people', { headers: { Cookie: cookie } });
    expect(people).toMatchObject({ status: 401, body: 'only for admins\n' });
    expect((await other.sessions.list()).map(({ running }) => running)).toEqual([true]);
    // An admin may; a form of another site may not.
    const boss = { Cookie: await signIn(coordinator, 'boss') };
    const form = { name: 'user-other-linux-0' };
    for (const headers of [
      {},
      { Origin: 'https://evil.example' },
      { 'Sec-Fetch-Site': 'same-site' },
    ]) {
      const reply = await ask(coordinator, '/page/destroy', {
        form,
        headers: { ...boss, ...headers },
      });
      expect(reply).toMatchObject({ status: 403 });
    }
    const headers = { ...boss, Origin: coordinator.url };
    expect(await ask(coordinator, '/page/destroy', { form, headers })).toMatchObject({
      status: 200,
    });
    const ended = async () => {
      const { body } = await ask(coordinator, '/page/ended', { headers: boss });
      return JSON.parse(body).map(({ name, why }: Record<string, unknown>) => [name, why]);
    };
    await expect.poll(ended, { timeout: 10_000 }).toEqual([
      ['user-other-linux-0', 'destroyed by boss'],
      ['user-other-linux-1', 'destroyed by other'],
    ]);
  });

  it.each([
    ['extend', { duration: '' }, 400],
    ['extend', { duration: '0' }, 400],
    ['extend', { duration: '-1h' }, 400],
    ['cancel', { run: '' }, 404],
    ['cancel', { run: '../x' }, 404],
    ['cancel', { run: 'never' }, 409],
  ])('refuses a bad %s: %j', async (action, form, status) => {
    const coordinator = await startCoordinator({ users });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const headers = { Cookie: await signIn(coordinator, 'me'), Origin: coordinator.url };
    const reply = await ask(coordinator, `/page/${action}`, { form: { name, ...form }, headers });
    expect(reply).toMatchObject({ status });
  });

  it('reloads itself when a link on another site sent no cookie', async () => {
    const coordinator = await startCoordinator({ users });
    const link = { 'Sec-Fetch-Site': 'cross-site' };
    const first = await ask(coordinator, '/page/buildlet?name=x', { headers: link });
    expect(first.body).toContain('/page/again.js');
    const again = await ask(coordinator, '/page/buildlet?name=x&again', { headers: link });
    expect(again.body).toContain('action="/page/login"');
  });
});

describe('the stream of events', () => {
  it('holds the user’s own rows, or all for an admin: first everything, then changes', async () => {
    const coordinator = await startCoordinator({ users, machines: 3 });
    const [mine, all] = await Promise.all(
      ['me', 'boss'].map(async (user) => follow(coordinator, await signIn(coordinator, user))),
    );
    await until(() => mine?.length === 1 && all?.length === 1);
    expect(mine?.[0]).toMatchObject({ user: 'me', isAdmin: false, isFirst: true });
    await coordinator.client('me').requestBuildlet('linux');
    await coordinator.client('other').requestBuildlet('linux');
    await until(() => namesIn(all ?? []).includes('user-other-linux-0'));
    expect(new Set(namesIn(mine ?? []))).toEqual(new Set(['user-me-linux-0']));
    const buildlet = coordinator.client('me').namedBuildlet('user-me-linux-0');
    onTestFinished(() => buildlet.disconnect());
    await buildlet.halt();
    await until(() => mine?.at(-1)?.buildlets.gone.includes('user-me-linux-0') === true);
    expect(mine?.slice(1).every(({ isFirst }) => !isFirst)).toBe(true);
  });

  it('ends when the viewer’s token is replaced', async () => {
    const coordinator = await startCoordinator({ users });
    const cookie = await signIn(coordinator, 'me');
    const reply = await open(coordinator, '/page/events', { headers: { Cookie: cookie } });
    const over = text(reply);
    await coordinator.users.rotate('me');
    await coordinator.client('other').requestBuildlet('linux');
    expect(await over).toMatch(/^retry: 1000\n\nevent: state\n/);
  });

  it('does not delay the shutdown of a coordinator', async () => {
    const coordinator = await startCoordinator({ users });
    const reply = await open(coordinator, '/page/events', {
      headers: { Cookie: await signIn(coordinator, 'me') },
    });
    const over = text(reply);
    await coordinator.drain(60_000);
    expect(await over).toMatch(/^retry: 1000\n\n/);
  });
});
