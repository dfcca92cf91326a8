// A machine that answers with anything at all: the client gets a reply or a cut, and the coordinator goes on.
import { type AddressInfo, connect, createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { times } from '../helpers/counts.ts';

const count = times(500, 50_000);

/** Text of all that a machine may put into a head, its ends of lines among it. */
const oddText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('\0', '\x01', '\x1b', '\x7f', '\t', 'é', '\r', ' ', 'a'),
    maxLength: 6,
  }),
  fc.constant('x'.repeat(70_000)),
);

const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'ICY');
const status = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('200', '204', '304', '404', '500') },
  fc.constantFrom('100', '101', '103', '199', '299', '599', '600', '999', '000', '20', '2000', ''),
);
const headerName = fc.constantFrom(
  ...['Content-Type', 'Content-Length', 'Transfer-Encoding', 'Trailer', 'Connection', 'Date'],
  ...[
    'Set-Cookie',
    'Gomote-Session',
    'X-Gomote-Error-Code',
    'Upgrade',
    '__proto__',
    'constructor',
    '',
  ],
);
const headerValue = fc.oneof(
  fc.constantFrom(
    '0',
    '5',
    '-1',
    '5, 5',
    'chunked',
    'gzip, chunked',
    'close',
    'Content-Length',
    'X-Sum',
  ),
  oddText,
);
const header = fc.tuple(headerName, headerValue).map(([name, value]) => `${name}: ${value}\r\n`);
const body = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      'hello',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhelloX',
      'ffffffff\r\nx',
      '0\r\nX-Sum: \x01\r\n\r\n',
    ],
    ...[
      '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\nX-Sum: 1\r\n\r\n',
      'g\r\n',
      '0\r\n: x\r\n\r\n',
    ],
    'HTTP/1.1 200 OK\r\n\r\n',
  ),
  oddText,
);

const reply = fc
  .tuple(fc.nat({ max: 20 }), version, status, oddText, fc.array(header, { maxLength: 5 }), body)
  .map(([interim, http, code, reason, headers, rest]) => {
    const before =
      interim > 17 ? 'HTTP/1.1 103 Early\x01Hints\r\nLink: x\r\n\r\n'.repeat(interim) : '';
    return Buffer.from(
      `${before}${http} ${code} ${reason}\r\n${headers.join('')}\r\n${rest}`,
      'latin1',
    );
  });

async function startMachine() {
  let next: Buffer | undefined;
  const server = createServer((socket) => {
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += String(chunk);
      if (!received.endsWith('\r\n\r\n') && !received.includes('path=')) return;
      const isStatus = received.startsWith('GET /odd') === false;
      received = '';
      if (isStatus) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"Version":11}');
      else if (next !== undefined) socket.end(next);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    answerWith: (bytes: Buffer) => {
      next = bytes;
    },
  };
}

describe('the relay', () => {
  it(`survives ${count} generated replies of a machine`, async () => {
    const machine = await startMachine();
    const coordinator = await startCoordinator({
      addresses: [machine.address],
      toml: 'tls = "off"',
    });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const { port } = new URL(coordinator.url);
    const pair = Buffer.from(`user-me:${tokenOf('me')}`).toString('base64');
    const head = [
      'GET /odd HTTP/1.1',
      'Host: c',
      'Connection: close',
      `Authorization: Basic ${pair}`,
      `X-Buildlet-Proxy: ${name}`,
    ].join('\r\n');
    for (const bytes of fc.sample(reply, { numRuns: count, seed: 20_261_127 })) {
      machine.answerWith(bytes);
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined).write(`${head}\r\n\r\n`);
      const received = (await buffer(socket)).toString('latin1');
      if (received === '') continue;
      const lines = received.slice(0, received.indexOf('\r\n\r\n')).split('\r\n');
      expect(lines[0]).toMatch(/^HTTP\/1\.1 [2-5][0-9][0-9] [A-Za-z' -]+$/);
      expect(
        lines.slice(1).every((line) => /^[A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*$/.test(line)),
      ).toBe(true);
      expect(lines.join('\n')).not.toMatch(/set-cookie|upgrade/i);
    }
    expect(await (await fetch(`${coordinator.url}/healthz`)).text()).toBe('ok\n');
    const left = await coordinator.coordinator.list({ name: 'me', isAdmin: false });
    expect(left.map((session) => session.name)).toEqual([name]);
  });

  it('survives trailers of a client that cannot be passed on', async () => {
    const machine = await startMachine();
    const coordinator = await startCoordinator({
      addresses: [machine.address],
      toml: 'tls = "off"',
    });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const { port } = new URL(coordinator.url);
    machine.answerWith(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    const pair = Buffer.from(`user-me:${tokenOf('me')}`).toString('base64');
    for (const trailer of [
      'X: \x01',
      'Transfer-Encoding: chunked',
      'Content-Length: 5',
      'Host: x',
      ': x',
      'a b: c',
    ]) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        `POST /odd HTTP/1.1\r\nHost: c\r\nConnection: close\r\nAuthorization: Basic ${pair}\r\n` +
          `X-Buildlet-Proxy: ${name}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${trailer}\r\n\r\n`,
      );
      socket.end();
      await buffer(socket);
    }
    expect(await (await fetch(`${coordinator.url}/healthz`)).text()).toBe('ok\n');
  });
});
