// What clients may take before they have shown who they are.
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type ConnectionLimits,
  UnauthenticatedConnections,
} from '../../../src/http/server/unauthenticated-connections.ts';
import { until } from '../../helpers/processes.ts';

const generous: ConnectionLimits = {
  perAddress: 100,
  total: 100,
  connections: 100,
  timeoutMs: 60_000,
};

/** A server that trusts who asks for /known, and answers once told to. */
async function startServer(limits: Partial<ConnectionLimits>) {
  const unauthenticated = new UnauthenticatedConnections({ ...generous, ...limits });
  const server = createServer((request, response) => {
    unauthenticated.begin(request, response);
    if (request.url === '/known') unauthenticated.trust(request);
    response.end('hello');
  });
  unauthenticated.watch(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const open = async (from = '127.0.0.1'): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    return socket;
  };
  const ask = async (socket: Socket, path: string) => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: c\r\n\r\n`);
    let received = '';
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    await until(() => received.includes('hello') || socket.closed);
    socket.removeAllListeners('data').resume();
    return received.includes('hello');
  };
  return { open, ask };
}

describe('connections of strangers', () => {
  it('beyond the limit of an address cost that address its oldest one', async () => {
    const { open, ask } = await startServer({ perAddress: 2 });
    const first = await open();
    const [second, other] = [await open(), await open('127.0.0.2')];
    const third = await open();
    await until(() => first.closed);
    for (const socket of [second, third, other]) expect(await ask(socket, '/')).toBe(true);
  });

  it('beyond the total limit cost the oldest one', async () => {
    const { open, ask } = await startServer({ total: 2 });
    const first = await open('127.0.0.2');
    const [second, third] = [await open('127.0.0.3'), await open('127.0.0.4')];
    await until(() => first.closed);
    for (const socket of [second, third]) expect(await ask(socket, '/')).toBe(true);
  });

  it('do not count once their client is known, and are closed when there are too many of all kinds', async () => {
    const { open, ask } = await startServer({ perAddress: 1, total: 1, connections: 4 });
    const known: Socket[] = [];
    for (let count = 0; count < 3; count++) {
      const socket = await open();
      expect(await ask(socket, '/known')).toBe(true);
      known.push(socket);
    }
    const stranger = await open();
    const next = await open();
    await until(() => stranger.closed);
    for (const socket of known) expect(await ask(socket, '/known')).toBe(true);
    expect(await ask(next, '/')).toBe(true);
  });

  it('end when a request is not complete in time; those of known clients do not', async () => {
    const { open } = await startServer({ timeoutMs: 20 });
    const head = (path: string) => `POST ${path} HTTP/1.1\r\nHost: c\r\nContent-Length: 9\r\n\r\n`;
    const [stranger, known] = [await open(), await open()];
    known.write(head('/known'));
    stranger.write(head('/'));
    expect(await text(stranger)).toContain('hello');
    await until(() => stranger.closed);
    known.write('123456789');
    known.write(`GET / HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n`);
    expect((await text(known)).match(/hello/g)?.length).toBe(2);
  });
});
