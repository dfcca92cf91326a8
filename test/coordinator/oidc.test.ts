// Signing in by a real OpenID provider, with a browser and with a device code.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { check } from '../../src/coordinator/check.ts';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { ask, startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { freePort } from '../helpers/free-port.ts';
import { Browser, clientSecret, publicUrl, startProvider } from '../helpers/oidc.ts';

const people = { anna: ['builders'], boss: ['builders', 'admins'], guest: ['visitors'] };

async function setUp(more = '') {
  const issuer = await startProvider(people);
  const coordinator = await startCoordinator({
    prepare: (directory) =>
      writeFileSync(join(directory, 'secret'), `${clientSecret}\n`, { mode: 0o600 }),
    sections: [
      '[oidc]',
      `issuer = "${issuer}"`,
      'client-id = "gomote"',
      'client-secret-file = "secret"',
      `url = "${publicUrl}"`,
      'user-groups = ["builders"]',
      'admin-groups = ["admins"]',
      more,
    ].join('\n'),
  });
  const browser = new Browser(coordinator.url);
  const signIn = async (name: string) =>
    await browser.submit(await browser.get(`${publicUrl}/page/oidc`), name);
  return { coordinator, browser, signIn };
}

const clientOf = ({ url, fingerprint }: TestCoordinator, username = '', password = '') =>
  new CoordinatorClient({
    auth: { username, password },
    instance: { kind: 'tcp', origin: url, fingerprint: fingerprint.replace('sha256:', '') },
  });

describe('a browser', () => {
  it('is signed in by the provider, with the role that the groups give', async () => {
    const { browser, signIn, coordinator } = await setUp();
    expect((await browser.get(`${publicUrl}/`)).text).toContain('Sign in with 127.0.0.1');
    const page = await signIn('boss');
    expect(page.text).toContain('You are signed in.');
    expect((await browser.get(`${publicUrl}/`)).text).toContain('id="buildlets"');
    const users = readFileSync(join(coordinator.directory, 'state', 'users.json'), 'utf8');
    expect(JSON.parse(users).users.boss).toMatchObject({ role: 'admin', tokenHash: '' });
    const audit = readFileSync(join(coordinator.directory, 'state', 'audit.jsonl'), 'utf8');
    const rows = audit
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.find(({ event }) => event === 'sign-in')).toMatchObject({
      by: 'boss',
      role: 'admin',
      address: '127.0.0.1',
    });
    // Nothing that the provider gave is kept in the browser, and no sign-in is left open there.
    expect([...browser.cookies.keys()]).toContain('builds.test __Host-gomote');
    expect([...browser.cookies.keys()]).not.toContain('builds.test __Host-gomote-oidc');
  });

  it('is refused when the groups do not permit it, or the name is another user’s', async () => {
    const { browser, signIn, coordinator } = await setUp();
    const page = await signIn('guest');
    expect([page.status, page.text]).toEqual([
      401,
      expect.stringContaining('guest is in none of the groups that may use this coordinator'),
    ]);
    expect((await browser.get(`${publicUrl}/`)).text).toContain('Sign in with');
    await coordinator.users.add('anna');
    expect((await new Browser(coordinator.url).get(`${publicUrl}/`)).status).toBe(200);
    const other = new Browser(coordinator.url);
    const refused = await other.submit(await other.get(`${publicUrl}/page/oidc`), 'anna');
    expect(refused.text).toContain('the name &#34;anna&#34; is another user&#39;s');
  });

  it('cannot be made to finish a sign-in that another browser has begun', async () => {
    const { browser, coordinator } = await setUp();
    const stranger = new Browser(coordinator.url);
    await stranger.get(`${publicUrl}/page/oidc`);
    for (const query of ['', '?code=x&state=y', '?error=access_denied']) {
      const page = await browser.get(`${publicUrl}/page/oidc/callback${query}`);
      expect(page.text).toContain('was not begun in this browser');
    }
    const page = await stranger.get(`${publicUrl}/page/oidc/callback?code=x&state=y`);
    expect([page.status, page.text]).toEqual([401, expect.stringContaining('You cannot sign in')]);
  });
});

describe('gomote login', () => {
  it('waits for a browser on another machine and gets a token that expires', async () => {
    const { browser, coordinator } = await setUp('token-lifetime = "8h"');
    const client = clientOf(coordinator);
    let finished: Promise<unknown> = Promise.resolve();
    const account = await client.signIn(({ url, code }) => {
      expect(code).toMatch(/^[A-Z-]+$/);
      finished = browser.get(url).then((page) => browser.submit(page, 'anna'));
    });
    await finished;
    await client.disconnect();
    expect(account?.user).toBe('anna');
    const { token = '' } = account ?? {};
    const anna = clientOf(coordinator, 'user-anna', token);
    expect((await anna.types())?.user).toMatchObject({ name: 'anna', isAdmin: false });
    await anna.disconnect();
    const users = JSON.parse(
      readFileSync(join(coordinator.directory, 'state', 'users.json'), 'utf8'),
    );
    const [signIn] = users.users.anna.signIns;
    const leftMs = Date.parse(signIn.until) - Date.now();
    expect(leftMs).toBeGreaterThan(7 * 3_600_000);
    expect(leftMs).toBeLessThanOrEqual(8 * 3_600_000);
    await coordinator.users.remove('anna');
    const gone = { headers: { Authorization: `Bearer ${token}` } };
    expect((await ask(coordinator, '/buildlet/types', gone)).status).toBe(401);
  });

  it('reports why it got no token', async () => {
    const { coordinator } = await setUp();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const poll = { method: 'POST', headers, body: 'id=guess' };
    expect(await ask(coordinator, '/login/device', poll)).toMatchObject({
      status: 401,
      text: 'this sign-in took too long: begin again\n',
    });
    const without = await startCoordinator();
    const client = clientOf(without);
    expect(await client.signIn(() => undefined)).toBeUndefined();
    await client.disconnect();
  });
});

it('a provider that cannot be reached is reported, and tried again at the next sign-in', async () => {
  const coordinator = await startCoordinator({
    sections: `[oidc]\nissuer = "http://127.0.0.1:1"\nclient-id = "gomote"\nurl = "${publicUrl}"`,
  });
  const { status, text } = await ask(coordinator, '/page/oidc');
  expect([status, text]).toEqual([401, expect.stringContaining('cannot be reached')]);
  const posted = await ask(coordinator, '/login/device', { method: 'POST', body: '' });
  expect(posted.text).toContain('cannot reach http://127.0.0.1:1');
});

it.each(['http://id.example.com', 'ftp://x', 'id.example.com'])(
  'an issuer that would receive secrets in clear text is refused: %s',
  async (issuer) => {
    const sections = `[oidc]\nissuer = "${issuer}"\nclient-id = "g"\nurl = "${publicUrl}"`;
    await expect(startCoordinator({ sections })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  },
);

describe('another provider', () => {
  it('is added, changed and removed by a reload, which ends sign-ins in progress', async () => {
    const { coordinator, browser, signIn } = await setUp();
    const path = join(coordinator.directory, 'coordinator.toml');
    const before = readFileSync(path, 'utf8');
    const load = async (text: string) => {
      writeFileSync(path, text);
      const config = loadCoordinatorConfig(path);
      await coordinator.reload({ ...config, listen: config.listen });
    };
    const begun = await browser.get(`${publicUrl}/page/oidc`);
    await load(before.slice(0, before.indexOf('[oidc]')));
    expect((await browser.get(`${publicUrl}/`)).text).not.toContain('Sign in with 127.0.0.1');
    expect((await ask(coordinator, '/page/oidc')).status).toBe(404);
    expect((await ask(coordinator, '/login/device', { method: 'POST' })).status).toBe(404);
    await load(before.replace('user-groups = ["builders"]', 'user-groups = ["visitors"]'));
    expect((await browser.submit(begun, 'guest')).text).toContain('was not begun in this browser');
    expect((await signIn('guest')).text).toContain('You are signed in.');
    // A secret that cannot be read keeps the old one in force.
    const broken = before.replace(
      'client-secret-file = "secret"',
      'client-secret-file = "nowhere"',
    );
    await expect(load(broken)).rejects.toThrow('client-secret-file');
    const other = new Browser(coordinator.url);
    const page = await other.submit(await other.get(`${publicUrl}/page/oidc`), 'guest');
    expect(page.text).toContain('You are signed in.');
  });

  it('is checked before anybody signs in', async () => {
    const { coordinator } = await setUp();
    const path = join(coordinator.directory, 'coordinator.toml');
    const before = readFileSync(path, 'utf8');
    const result = async (change: (text: string) => string) => {
      writeFileSync(path, change(before));
      const { faults, warnings } = await check(loadCoordinatorConfig(path), {});
      return [...faults, ...warnings].filter((line) => line.startsWith('[oidc]'));
    };
    expect(await result((text) => text)).toEqual([]);
    const wrong = await result((text) => text.replace(/issuer = "([^"]+)"/, 'issuer = "$1/else"'));
    expect(wrong).toEqual([expect.stringMatching(/is not an OpenID provider of this name/)]);
    const port = await freePort();
    const gone = await result((text) =>
      text.replace(/issuer = ".*"/, `issuer = "http://127.0.0.1:${port}"`),
    );
    expect(gone).toEqual([
      expect.stringMatching(
        /cannot reach http:..127.0.0.1:[0-9]+: .*ECONNREFUSED.*it was not checked/,
      ),
    ]);
    const secret = await result((text) => text.replace('"secret"', '"nowhere"'));
    expect(secret).toEqual([expect.stringContaining('client-secret-file')]);
  });
});
