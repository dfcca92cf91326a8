// Whose requests they are behind balancers: in the log, the audit trail, and the limits of wrong tokens.
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator, tokenOf } from '../../helpers/coordinator.ts';
import { until } from '../../helpers/processes.ts';
import { behindPlain, kinds } from './kinds.ts';

/** Another address of this machine than that of the balancers. */
const client = '127.0.0.9';

interface RequestOptions {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly from?: string;
}

async function ask(
  url: string,
  { token = tokenOf('me'), headers, from = client }: RequestOptions = {},
) {
  const pair = Buffer.from(`user-me:${token}`).toString('base64');
  const asked = (url.startsWith('https:') ? secureRequest : request)(`${url}/buildlet/list`, {
    localAddress: from,
    rejectUnauthorized: false,
    agent: false,
    headers: { Authorization: `Basic ${pair}`, ...headers },
  });
  asked.end();
  return await new Promise<{ status: number; text: string }>((resolve, reject) => {
    asked.once('error', reject).once('response', async (reply) => {
      resolve({ status: reply.statusCode ?? 0, text: await text(reply) });
    });
  });
}

const addresses = ({ log }: TestCoordinator, event = 'request') =>
  log.filter((line) => line.event === event).map(({ address }) => address);

describe.each(kinds.filter(({ title }) => title.includes('documented')))(
  'behind $title',
  ({ toml, start }) => {
    it('requests and wrong tokens have the address of the client', async () => {
      const coordinator = await startCoordinator({ toml });
      const url = await start(coordinator);
      expect(await ask(url)).toMatchObject({ status: 200 });
      expect(await ask(url, { headers: { 'X-Forwarded-For': '203.0.113.7' } })).toMatchObject({
        status: 200,
      });
      expect(await ask(url, { token: 'wrong' })).toMatchObject({ status: 401 });
      await until(() => addresses(coordinator).filter((from) => from === client).length === 3);
      expect(addresses(coordinator)).not.toContain('203.0.113.7');
      expect(addresses(coordinator, 'wrong-token')).toEqual([client]);
    });
  },
);

describe('X-Forwarded-For', () => {
  const cases: [title: string, forwarded: string, from: string, address: string][] = [
    ['of a trusted proxy is believed', '203.0.113.7', '127.0.0.1', '203.0.113.7'],
    ['is believed for its last hop alone', '198.51.100.1, 203.0.113.7', '127.0.0.1', '203.0.113.7'],
    ['is read on through trusted proxies', '203.0.113.7, 10.1.2.3', '127.0.0.1', '203.0.113.7'],
    ['may have ports', '203.0.113.7:4711', '127.0.0.1', '203.0.113.7'],
    ['may have IPv6 with a port', '[2001:db8::7]:4711', '127.0.0.1', '2001:db8::7'],
    ['that is no address names the proxy', 'unknown', '127.0.0.1', '127.0.0.1'],
    ['of anybody else is not believed', '203.0.113.7', client, client],
  ];
  it.each(cases)('%s', async (_title, forwarded, from, address) => {
    const toml = 'tls = "off"\ntrusted-proxies = ["127.0.0.1", "10.0.0.0/8"]';
    const coordinator = await startCoordinator({ toml });
    await ask(coordinator.url, { from, headers: { 'X-Forwarded-For': forwarded } });
    await until(() => addresses(coordinator).length === 1);
    expect(addresses(coordinator)).toEqual([address]);
  });

  it('counts wrong tokens by client, so that one does not delay another', async () => {
    const coordinator = await startCoordinator({ toml: behindPlain });
    for (const each of ['203.0.113.7', '203.0.113.7', '203.0.113.8']) {
      const headers = { 'X-Forwarded-For': each };
      await ask(coordinator.url, { from: '127.0.0.1', token: 'wrong', headers });
    }
    const counts = coordinator.log.filter(({ event }) => event === 'wrong-token');
    expect(counts.map(({ address, count }) => [address, count])).toEqual([
      ['203.0.113.7', 1],
      ['203.0.113.7', 2],
      ['203.0.113.8', 1],
    ]);
  });
});

describe('a coordinator with proxy-protocol', () => {
  const toml = 'tls = "off"\ntrusted-proxies = ["127.0.0.1"]\nproxy-protocol = true';

  it('serves a client that is no trusted proxy without a header, and does not believe it with one', async () => {
    const coordinator = await startCoordinator({ toml });
    expect(await ask(coordinator.url)).toMatchObject({ status: 200 });
    expect(addresses(coordinator)).toEqual([client]);
    const reply = await send(coordinator, 'PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n', client);
    expect(reply).toMatch(/^HTTP\/1.1 400 /);
  });

  it.each([
    ['a line without an end', `PROXY TCP4 ${'1'.repeat(120)}`],
    ['a line with a name for an address', 'PROXY TCP4 example.com 10.0.0.1 1 2\r\n'],
    ['an IPv6 address that is called IPv4', 'PROXY TCP4 ::1 ::1 1 2\r\n'],
    ['a version that is unknown', '\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c'],
    ['a header that is too long', '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff'],
  ])('closes a connection of a proxy that begins with %s', async (_title, bytes) => {
    const coordinator = await startCoordinator({ toml });
    expect(await send(coordinator, bytes, '127.0.0.1')).toBe('');
    expect(addresses(coordinator, 'proxy-refused')).toEqual(['127.0.0.1']);
  });

  it.each([
    ['a line', 'PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n', '2001:db8::7'],
    ['a line of an unknown family', 'PROXY UNKNOWN\r\n', '127.0.0.1'],
    [
      'a binary header',
      '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\0\x01\0\x02',
      '203.0.113.7',
    ],
    ['no header', '', '127.0.0.1'],
    ['the header of a health check', '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0', '127.0.0.1'],
  ])('accepts %s in pieces', async (_title, header, address) => {
    const coordinator = await startCoordinator({ toml });
    const whole = `${header}GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    expect(await send(coordinator, whole, '127.0.0.1', true)).toMatch(/ok\n$/);
    await until(() => addresses(coordinator).length === 1);
    expect(addresses(coordinator)).toEqual([address]);
  });
});

/** Sends bytes, in pieces of one byte if so wanted, and gives all that comes back. */
async function send({ url }: TestCoordinator, bytes: string, from: string, inPieces = false) {
  const { port, hostname } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, localAddress: from, noDelay: true });
  const replied = text(socket).catch(() => '');
  for (const piece of inPieces ? bytes : [bytes]) {
    await new Promise((resolve) => socket.write(Buffer.from(piece, 'latin1'), resolve));
  }
  if (!inPieces && bytes.startsWith('PROXY TCP4 2')) socket.end();
  return await replied;
}
