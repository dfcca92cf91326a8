// Bodies of replies through the relay, whose frames pass as they are where they can: every byte, and nothing else.
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openDirectory } from '../../src/files/open-directory.ts';
import { OpenTree } from '../../src/files/open-tree.ts';
import { sendTree } from '../../src/tree/tree-sender.ts';
import { walkTree } from '../../src/tree/tree-walk.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { type Misbehaviour, startOddMachine } from '../helpers/odd-machine.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const content = randomBytes(4_000_000);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Sends the content in chunks of all sizes, then its digest in a trailer. */
const long: Misbehaviour = (_, response) => {
  response.writeHead(200, { Trailer: 'Gomote-Sum' });
  let at = 0;
  let size = 1;
  const more = () => {
    while (at < content.length) {
      const goesOn = response.write(content.subarray(at, at + size));
      at += size;
      size = (size * 5 + 1) % 200_003;
      if (!goesOn) return;
    }
    response.off('drain', more);
    response.addTrailers({ 'Gomote-Sum': sha256(content) });
    response.end();
  };
  response.on('drain', more);
  more();
};

/** Writes a reply by hand. */
const written =
  (...parts: readonly string[]): Misbehaviour =>
  async ({ socket }) => {
    for (const part of [
      'HTTP/1.1 200 OK\r\nTrailer: Gomote-Sum\r\nTransfer-Encoding: chunked\r\n\r\n',
      ...parts,
    ]) {
      await new Promise((resolve) => socket.write(part, resolve));
    }
  };

async function withMachine(paths: Readonly<Record<string, Misbehaviour>>) {
  const machine = await startOddMachine(paths);
  const coordinator = await startCoordinator({ addresses: [machine.address] });
  const { name } = await coordinator.client('me').requestBuildlet('linux');
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  onTestFinished(() => agent.destroy());
  const headers = {
    Authorization: `Basic ${btoa(`user-me:${tokenOf('me')}`)}`,
    'X-Buildlet-Proxy': name,
  };
  const ask = (path: string, method: string) =>
    request(coordinator.url + path, { agent, headers, method });
  const get = async (path: string, method = 'GET') => await replyTo(ask(path, method).end());
  return { coordinator, ask, get };
}

const replyTo = async (asked: ClientRequest) =>
  await new Promise<IncomingMessage>((resolve, reject) => {
    asked.once('response', resolve).once('error', reject);
  });

/** Reads all, pausing after each piece if it is slow. */
async function read(reply: IncomingMessage, isSlow = false) {
  const parts: Buffer[] = [];
  for await (const part of reply) {
    parts.push(part);
    if (isSlow) await new Promise(setImmediate);
  }
  return { body: Buffer.concat(parts), sum: reply.trailers['gomote-sum'] };
}

it('long bodies pass completely, one after the other over the same connections, to fast and slow readers', async () => {
  const { coordinator, get } = await withMachine({ '/long': long });
  for (const isSlow of [false, true, false]) {
    const { body, sum } = await read(await get('/long'), isSlow);
    expect({ length: body.length, sum: sha256(body) }).toEqual({ length: content.length, sum });
    expect((await read(await get('/status'))).body.toString()).toBe('{"Version":11}');
  }
  const logged = () => coordinator.log.filter(({ path }) => path === '/long');
  await until(() => logged().length === 3);
  expect(logged().map(({ replyBytes }) => replyBytes)).toEqual([1, 2, 3].map(() => content.length));
});

it.each([
  [
    'a chunk with an extension',
    ['5;a=b\r\nhello\r\n6\r\n world\r\n', '0\r\nGomote-Sum: 1\r\n\r\n'],
  ],
  ['one later', ['5\r\nhello\r\n', '6;a=b\r\n world\r\n0\r\nGomote-Sum: 1\r\n\r\n']],
  ['all in one packet', ['5\r\nhello\r\n6\r\n world\r\n0\r\nGomote-Sum: 1\r\n\r\n']],
  ['byte by byte', [...'5\r\nhello\r\n6\r\n world\r\n0\r\nGomote-Sum: 1\r\n\r\n']],
])('the body of %s is read by the rules of HTTP', async (_, parts) => {
  const { get } = await withMachine({ '/odd': written(...parts) });
  for (const _again of [1, 2]) {
    const { body, sum } = await read(await get('/odd'));
    expect([body.toString(), sum]).toEqual(['hello world', '1']);
  }
});

it('a reply without a body has none, whatever its head declares', async () => {
  const { get } = await withMachine({
    '/none': (_, response) => {
      response.writeHead(204, { 'X-Empty': 'yes' }).end();
    },
    '/head': (_, response) => {
      response.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end();
    },
  });
  for (const [path, method] of [
    ['/none', 'GET'],
    ['/head', 'HEAD'],
    ['/none', 'GET'],
  ] as const) {
    expect((await read(await get(path, method))).body.length).toBe(0);
  }
  expect((await read(await get('/status'))).body.toString()).toBe('{"Version":11}');
});

it('a push that the machine refuses in its middle leaves its connection to the next request', async () => {
  const { get, ask } = await withMachine({
    '/sync/apply': (request, response) => {
      request.once('data', () => {
        request.pause();
        response.writeHead(400).end('refused');
      });
    },
  });
  // Enough to wait in the coordinator, and little enough for the client to be rid of it.
  const top = temporaryDirectory();
  for (const name of ['a', 'b', 'c']) writeFileSync(join(top, name), content.subarray(0, 1 << 20));
  const entries = walkTree(new OpenTree(openDirectory(top)));
  const stream = [
    ...sendTree(
      top,
      entries.map((entry) => ({ op: 'write', entry })),
    ),
  ];
  const put = ask('/sync/apply?dir=tree&generation=1', 'PUT');
  put.end(Buffer.concat(stream));
  const reply = await replyTo(put);
  expect([reply.statusCode, (await read(reply)).body.toString()]).toEqual([400, 'refused']);
  expect((await read(await get('/status'))).body.toString()).toBe('{"Version":11}');
});
