// Requests that web pages make a browser send, to buildlets and coordinators.
import { request as httpRequest } from 'node:http';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { AgentOptions } from '../../../src/buildlet/agent.ts';
import { startBuildlet } from '../../helpers/buildlet.ts';
import { ask, startCoordinator } from '../../helpers/coordinator.ts';

const onTcp = (options: Partial<AgentOptions> = {}) =>
  startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, ...options });

interface RequestOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Asks a buildlet; the headers are sent as they are given. */
async function askBuildlet(
  address: string,
  { method = 'GET', path = '/', headers, body }: RequestOptions,
) {
  const where = address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length) }
    : { host: address.split(':')[0], port: address.split(':')[1] };
  const asked = httpRequest({ ...where, method, path, headers, agent: false });
  asked.end(body);
  const reply = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    asked.once('response', resolve).once('error', reject);
  });
  return { status: reply.statusCode ?? 0, text: await text(reply) };
}

const ofPages: [string, Record<string, string>][] = [
  ['an Origin', { Origin: 'http://evil.example' }],
  ['the Origin null', { Origin: 'null' }],
  ['its own Origin', { Origin: 'http://127.0.0.1' }],
  ['an empty Origin', { Origin: '' }],
  ['Sec-Fetch-Site: cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
  ['Sec-Fetch-Site: same-site', { 'Sec-Fetch-Site': 'same-site' }],
];

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const touch = { method: 'POST', path: '/exec', body: 'cmd=/bin/true&mode=sys' };

describe('a buildlet', () => {
  it.each(ofPages)(
    'refuses a request with %s, with and without a password, over TCP and over a Unix socket',
    async (_, headers) => {
      const authorization = { Authorization: `Basic ${btoa(':secret')}` };
      for (const password of [undefined, 'secret']) {
        for (const buildlet of [await onTcp({ password }), await startBuildlet({ password })]) {
          const all = { ...form, ...authorization, ...headers };
          for (const asked of [touch, { path: '/workdir' }, { path: '/' }, { path: '/absent' }]) {
            const reply = await askBuildlet(buildlet.address, { ...asked, headers: all });
            expect(reply).toEqual({ status: 403, text: 'requests of web pages are refused\n' });
          }
        }
      }
    },
  );

  it.each([
    'evil.example',
    'evil.example:80',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '0x7f.1',
    'a@127.0.0.1',
    '[evil]',
  ])('without a password refuses the Host %s, by which a page can get here', async (host) => {
    const { address } = await onTcp();
    for (const asked of [touch, { path: '/workdir' }, { path: '/' }]) {
      const reply = await askBuildlet(address, { ...asked, headers: { ...form, Host: host } });
      expect(reply.status).toBe(403);
      expect(reply.text).toContain('has no password and is not called');
    }
  });

  it.each([
    '127.0.0.1',
    '127.0.0.1:1',
    '10.1.2.3:80',
    '[::1]:5936',
    'localhost',
    'LOCALHOST:80',
    hostname(),
    'localhost.',
  ])('without a password serves the Host %s, which nobody else can have', async (host) => {
    const { address } = await onTcp();
    expect((await askBuildlet(address, { path: '/workdir', headers: { Host: host } })).status).toBe(
      200,
    );
  });

  it('with a password, or on a Unix socket, serves any Host: a proxy, a balancer or a forwarded port has its own', async () => {
    const headers = { Host: 'builder.example:8443', Authorization: `Basic ${btoa(':secret')}` };
    const guarded = await onTcp({ password: 'secret' });
    expect((await askBuildlet(guarded.address, { path: '/workdir', headers })).status).toBe(200);
    const local = await startBuildlet();
    expect((await askBuildlet(local.address, { path: '/workdir', headers })).status).toBe(200);
  });

  it('serves a request that a person typed into a browser', async () => {
    const { address } = await onTcp();
    const headers = { 'Sec-Fetch-Site': 'none' };
    expect((await askBuildlet(address, { headers })).status).toBe(200);
  });
});

describe('a coordinator', () => {
  it('refuses requests of pages, also of signed-in users, except for its own page', async () => {
    const coordinator = await startCoordinator({ machines: 1 });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    for (const [, headers] of ofPages) {
      const relayed = { ...headers, 'X-Buildlet-Proxy': name };
      for (const path of ['/buildlet/list', '/buildlet/types', '/healthz', '/absent']) {
        expect((await ask(coordinator, path, { user: 'me', headers })).status).toBe(403);
      }
      expect((await ask(coordinator, '/workdir', { user: 'me', headers: relayed })).status).toBe(
        403,
      );
      // To name a buildlet at a path of the page is no way round.
      expect((await ask(coordinator, '/', { user: 'me', headers: relayed })).status).toBe(403);
      expect((await ask(coordinator, '/', { headers })).status).toBe(200);
    }
  });

  it('reaches a machine without a password by the machine’s address, whatever its own name', async () => {
    const machine = await onTcp();
    const coordinator = await startCoordinator({ addresses: [machine.address] });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const headers = { 'X-Buildlet-Proxy': name, Host: 'coordinator.example' };
    expect(await ask(coordinator, '/workdir', { user: 'me', headers })).toEqual({
      status: 200,
      text: machine.workDir,
    });
  });
});
