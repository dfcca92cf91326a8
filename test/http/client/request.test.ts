// HTTP requests against Node's server and against raw bytes.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get as httpGet, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createRawServer, type Socket } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HttpClient, readText } from '../../../src/http/client/request.ts';
import type { ServerAddress } from '../../../src/http/client/server-address.ts';
import { until } from '../../helpers/processes.ts';
import { stopOf } from '../../helpers/standstill.ts';

function senderTo(port: number): HttpClient {
  const sender = new HttpClient({ kind: 'tcp', origin: `http://127.0.0.1:${port}` });
  onTestFinished(() => sender.destroy());
  return sender;
}

/** A real server; also tells how many connections it has had. */
async function serve(listener: RequestListener) {
  const connections = new Set<Socket>();
  const server = createServer(listener).on('connection', (socket) => connections.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { connections, sender: senderTo(port) };
}

/** A server that answers every request with those bytes, and then ends the connection. */
async function serveRaw(reply: Buffer): Promise<number> {
  const server = createRawServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(reply));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const getRequest = { method: 'GET', path: '/x' } as const;

describe('a request', () => {
  it('does not change the reply before it, which its reader may keep', async () => {
    let count = 0;
    const { sender, connections } = await serve((_, response) => {
      response.end(String(count++).repeat(50_000));
    });
    const kept: Buffer[] = [];
    for (let n = 0; n < 5; n++) {
      const { body } = await sender.send(getRequest);
      body.on('data', (chunk: Buffer) => kept.push(chunk));
      await once(body, 'end');
    }
    expect(connections.size).toBe(1);
    const expected = [0, 1, 2, 3, 4].map((n) => String(n).repeat(50_000)).join('');
    expect(Buffer.concat(kept).toString() === expected).toBe(true);
  });

  it('does not change the replies of other connections, which their readers may keep', async () => {
    const bodies = Array.from({ length: 4 }, () => randomBytes(8 << 20));
    const { sender, connections } = await serve(({ url }, response) => {
      const body = bodies[Number(url?.slice(1))] ?? Buffer.alloc(0);
      for (let at = 0; at < body.length; at += 100_000) {
        response.write(body.subarray(at, at + 100_000));
      }
      response.end();
    });
    const received = await Promise.all(
      bodies.map(async (_, index) => {
        const kept: Buffer[] = [];
        const { body } = await sender.send({ method: 'GET', path: `/${index}` });
        for await (const chunk of body) kept.push(chunk);
        return kept;
      }),
    );
    expect(connections.size).toBe(4);
    expect(received.map((kept, n) => bodies[n]?.equals(Buffer.concat(kept)))).toEqual(
      bodies.map(() => true),
    );
  });

  it('gets the reply of a server that refuses every connection at once', async () => {
    const server = createRawServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const sender = senderTo((server.address() as AddressInfo).port);
    const { statusCode, body } = await sender.send(getRequest);
    expect([statusCode, await body.text()]).toEqual([503, 'busy']);
  });

  it('arrives with its headers and body, and the reply with its own', async () => {
    const { sender } = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () => {
          response.setHeader(
            'X-Seen',
            `${request.method} ${request.url} ${request.headers['x-mine']}`,
          );
          response.end(Buffer.concat(chunks));
        });
    });
    for (const body of ['ü'.repeat(70_000), Buffer.from([0, 255, 10]), '', undefined]) {
      const headers = { 'X-Mine': 'a value' };
      const reply = await sender.send({ method: 'POST', path: '/p?q=1', headers, body });
      expect(reply).toMatchObject({
        statusCode: 200,
        headers: { 'x-seen': 'POST /p?q=1 a value' },
      });
      expect(await readText(reply, undefined)).toBe(String(body ?? ''));
    }
  });

  it.each([
    ['path', { path: '/a b' }],
    ['path', { path: '/a\r\nX: y' }],
    ['header', { headers: { 'X-Y': 'a\r\nZ: b' } }],
    ['header', { headers: { 'X-Y': '\u0101' } }],
  ])('with a bad %s is not sent: %j', async (_, part) => {
    const { sender, connections } = await serve((_request, response) => response.end());
    await expect(sender.send({ ...getRequest, ...part })).rejects.toMatchObject({
      code: 'ERR_REQUEST',
    });
    expect(connections.size).toBe(0);
  });

  it('reuses the connection of the request before it, and opens another for a concurrent one', async () => {
    const { sender, connections } = await serve((_request, response) => response.end('x'));
    for (let i = 0; i < 3; i++) await readText(await sender.send(getRequest), undefined);
    expect(connections.size).toBe(1);
    const replies = await Promise.all([sender.send(getRequest), sender.send(getRequest)]);
    for (const reply of replies) await readText(reply, undefined);
    expect(connections.size).toBe(2);
  });

  it('goes over a fresh connection when the server has closed the other', async () => {
    const { sender, connections } = await serve((_request, response) => response.end('x'));
    await readText(await sender.send(getRequest), undefined);
    for (const socket of connections) socket.destroy();
    // The client may not have seen it yet.
    await until(async () => (await outcomeOf(sender.send(getRequest))).text === 'x');
    expect(connections.size).toBe(2);
  });

  it('fails when it is cancelled, before and during its reply', async () => {
    const { sender, connections } = await serve((request, response) => {
      if (request.url === '/begins') response.write('x');
    });
    const one = new AbortController();
    const silent = sender.send({ ...getRequest, signal: one.signal });
    await until(() => connections.size === 1);
    one.abort();
    await expect(silent).rejects.toBe(one.signal.reason);
    const two = new AbortController();
    const reply = await sender.send({ method: 'GET', path: '/begins', signal: two.signal });
    const text = readText(reply, two.signal);
    two.abort();
    await expect(text).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => [...connections].every((socket) => socket.destroyed));
  });

  it('fails when no reply arrives in time, and when nothing listens', async () => {
    const { sender } = await serve(() => undefined);
    const late = sender.send({ ...getRequest, headersTimeoutMs: 30 });
    await expect(late).rejects.toThrow('no reply came in time');
    const nobody = senderTo(1);
    await expect(nobody.send(getRequest)).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a connection that is never established', () => {
  /** Takes connections and says nothing. */
  async function silent() {
    const sockets = new Set<Socket>();
    const server = createRawServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, sockets };
  }

  const ways: Record<string, (port: number) => ServerAddress> = {
    'TLS that is not answered': (port) => ({ kind: 'tcp', origin: `https://127.0.0.1:${port}` }),
    'a proxy that is silent': (port) => ({
      kind: 'tcp',
      origin: 'https://host.invalid',
      proxy: `http://127.0.0.1:${port}`,
    }),
    'a proxy over TLS that is silent': (port) => ({
      kind: 'tcp',
      origin: 'http://host.invalid',
      proxy: `https://127.0.0.1:${port}`,
    }),
  };

  it.each(Object.entries(ways))('ends with its call: %s', async (_, addressOf) => {
    const { port, sockets } = await silent();
    for (const how of ['signal', 'limit', 'client'] as const) {
      const sender = new HttpClient(addressOf(port));
      const leave = new AbortController();
      const sent = sender.send({
        ...getRequest,
        signal: leave.signal,
        headersTimeoutMs: how === 'limit' ? 30 : undefined,
      });
      sent.catch(() => undefined);
      await until(() => sockets.size > 0);
      if (how === 'signal') leave.abort(new Error('enough'));
      if (how === 'client') sender.destroy();
      const words = { signal: 'enough', limit: 'no reply came in time', client: 'was closed' };
      await expect(sent).rejects.toThrow(words[how]);
      await until(() => sockets.size === 0);
      sender.destroy();
    }
  });

  it('is not opened for an aborted signal', async () => {
    const { port, sockets } = await silent();
    const sender = new HttpClient({ kind: 'tcp', origin: `https://127.0.0.1:${port}` });
    const sent = sender.send({ ...getRequest, signal: AbortSignal.abort(new Error('enough')) });
    await expect(sent).rejects.toThrow('enough');
    await until(() => sockets.size === 0);
  });
});

describe('a body that is streamed', () => {
  async function* pieces(count: number, last?: () => Promise<void>) {
    for (let n = 0; n < count; n++) yield Buffer.alloc(64 << 10, n);
    await last?.();
  }

  it('arrives completely', async () => {
    const { sender } = await serve((request, response) => request.pipe(response));
    const reply = await sender.send({ method: 'PUT', path: '/x', body: pieces(100) });
    const hash = createHash('sha256');
    for await (const chunk of reply.body) hash.update(chunk as Buffer);
    const expected = createHash('sha256');
    for await (const chunk of pieces(100)) expected.update(chunk);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
  });

  it('fails the request with the error of its source', async () => {
    const { sender, connections } = await serve((request) => void request.resume());
    const body = pieces(3, () => Promise.reject(new Error('the disk is gone')));
    const sent = sender.send({ method: 'PUT', path: '/x', body });
    await expect(sent).rejects.toThrow('the disk is gone');
    await until(() => [...connections].every((socket) => socket.destroyed));
  });

  it('is released when the connection ends, also while its source is silent', async () => {
    const { sender } = await serve((request) => void request.once('data', () => request.destroy()));
    const source = new PassThrough();
    source.write('x');
    const sent = sender.send({ method: 'PUT', path: '/x', body: source });
    await expect(sent).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(source.destroyed).toBe(true);
  });

  it('that is refused in its middle gives the refusal', async () => {
    const { sender } = await serve((_request, response) => {
      response.writeHead(403).end('no');
    });
    const reply = await sender.send({ method: 'PUT', path: '/x', body: pieces(1_000) });
    expect([reply.statusCode, await readText(reply, undefined)]).toEqual([403, 'no']);
  });

  it('with a silent source is released when it was refused, with its connection', async () => {
    const sockets = new Set<Socket>();
    // It would keep the connection for ever.
    const server = createRawServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      socket.once('data', () => {
        socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
        socket.resume();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const source = new PassThrough();
    source.write('x');
    const sender = senderTo((server.address() as AddressInfo).port);
    const reply = await sender.send({ method: 'PUT', path: '/x', body: source });
    expect(await readText(reply, undefined)).toBe('no');
    await until(() => source.destroyed && [...sockets].every((socket) => socket.destroyed));
  });
});

describe('a kept connection that the server closes as it is used again', () => {
  /** Answers the first request of each connection, and resets the connection at the second. */
  async function closing() {
    let resets = 0;
    const { sender, connections } = await serve((request, response) => {
      const socket = request.socket as Socket & { isUsed?: boolean };
      if (socket.isUsed === true) {
        resets++;
        return void socket.resetAndDestroy();
      }
      socket.isUsed = true;
      response.end('x');
    });
    await readText(await sender.send(getRequest), undefined);
    return { sender, connections, resets: () => resets };
  }

  it('is replaced by a fresh one for a request that can be repeated', async () => {
    const { sender, connections, resets } = await closing();
    expect(await readText(await sender.send(getRequest), undefined)).toBe('x');
    expect([connections.size, resets()]).toEqual([2, 1]);
  });

  it.each(['POST', 'PUT', 'GET'] as const)(
    'is replaced when this process was too busy to see it closed: %s',
    async (method) => {
      const over = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(
        `const { workerData, parentPort } = require('node:worker_threads');
        const server = require('node:http').createServer((request, response) => {
          request.resume();
          response.end('x');
          const { socket } = request;
          response.once('finish', () => setTimeout(() => socket.end(() => {
            Atomics.add(workerData, 0, 1);
            Atomics.notify(workerData, 0);
          }), 20));
        });
        server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
        { eval: true, workerData: over },
      );
      onTestFinished(async () => void (await worker.terminate()));
      const [port] = (await once(worker, 'message')) as [number];
      const sender = senderTo(port);
      const body = method === 'GET' ? undefined : 'once';
      for (let n = 0; n < 3; n++) {
        const reply = await sender.send({ method, path: '/x', body });
        expect(await readText(reply, undefined)).toBe('x');
        await sleep(0);
        Atomics.wait(over, 0, n);
      }
    },
  );

  it('fails a request that cannot be repeated', async () => {
    const { sender, connections } = await closing();
    const sent = sender.send({ method: 'POST', path: '/x', body: 'once' });
    await expect(sent).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(connections.size).toBe(1);
  });
});

describe('a reply', () => {
  it('that is dropped ends its connection', async () => {
    const { sender, connections } = await serve((_request, response) => void response.write('x'));
    const reply = await sender.send(getRequest);
    reply.body.destroy();
    await until(() => [...connections].every((socket) => socket.destroyed));
  });

  it('that is not read slows the server', async () => {
    let written = 0;
    const { sender } = await serve(async (_request, response) => {
      const piece = Buffer.alloc(64 << 10);
      for (; written < 64 << 20; written += piece.length) {
        if (!response.write(piece)) await once(response, 'drain');
      }
      response.end();
    });
    const reply = await sender.send(getRequest);
    expect(await stopOf(() => written, 1)).toBeLessThan(32 << 20);
    let read = 0;
    for await (const chunk of reply.body) read += (chunk as Buffer).length;
    expect(read).toBe(64 << 20);
  });
});

const replies: Record<string, string> = {
  'a length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  chunks:
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n',
  'a trailer':
    'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT: x\r\n\r\n',
  'no length': 'HTTP/1.1 200 OK\r\n\r\nhello',
  'no body': 'HTTP/1.1 204 No Content\r\n\r\n',
  'an empty body': 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n',
  'an interim reply': 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.0': 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'headers of one name': 'HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n',
  'a body cut short': 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello',
  'chunks cut short': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  'a head cut short': 'HTTP/1.1 200 OK\r\nContent-Len',
  nothing: '',
  'another protocol': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'a bad chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
  'a chunk too long':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n',
  'a bad length': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy',
  'a length and chunks':
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a header without a name': 'HTTP/1.1 200 OK\r\n: x\r\n\r\n',
  'a header too long': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\n`,
};

it('a server’s endless interim replies end the request', async () => {
  const port = await serveRaw(Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10_000)));
  await expect(senderTo(port).send(getRequest)).rejects.toThrow('no end');
});

interface Outcome {
  status?: number;
  text?: string;
  failed?: boolean;
}

/** What a reader of the reply gets. */
async function outcomeOf(reply: Promise<{ statusCode: number; body: Readable }>): Promise<Outcome> {
  try {
    const { statusCode, body } = await reply;
    return { status: statusCode, text: await readText({ body }, undefined) };
  } catch {
    return { failed: true };
  }
}

describe('a raw reply', () => {
  it.each(Object.entries(replies))('is read as by Node’s own client: %s', async (_, text) => {
    const port = await serveRaw(Buffer.from(text, 'latin1'));
    const theirs = await outcomeOf(
      new Promise((resolve, reject) => {
        httpGet({ port, host: '127.0.0.1', path: '/x' }, (incoming) =>
          resolve({ statusCode: incoming.statusCode ?? 0, body: incoming }),
        ).on('error', reject);
      }),
    );
    expect(await outcomeOf(senderTo(port).send(getRequest))).toEqual(theirs);
  });
});
