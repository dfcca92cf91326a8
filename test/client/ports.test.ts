// Ports of a buildlet: connections to what commands listen at, and those that come to a socket made there for the client.
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { join } from 'node:path';
import { type Duplex, Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { resetBuildlet } from '../../src/client/reset.ts';
import { errnoOf } from '../../src/errors.ts';
import { breakOff } from '../../src/files/join-streams.ts';
import { openForward } from '../../src/gomote/forward.ts';
import { formatTarget, type SocketTarget } from '../../src/protocol/forward.ts';
import { hasBubblewrap, sandboxed } from '../helpers/bubblewrap.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { startCutter } from '../helpers/cutter.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const tcp = (port: number): SocketTarget => ({ kind: 'tcp', host: '127.0.0.1', port });

/** A server in this process; the result is where it listens. */
async function serverAt(onSocket: (socket: Socket) => void, path?: string): Promise<SocketTarget> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return path === undefined ? tcp((server.address() as AddressInfo).port) : { kind: 'unix', path };
}

const echo = (socket: Duplex): void => void socket.pipe(socket);

/** All that comes until the end; the stream stays open for the other direction. */
async function received(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

/** What comes back of `bytes`, once all of it was sent. */
async function sendThrough(stream: Duplex, bytes: Buffer): Promise<Buffer> {
  const back = received(stream);
  stream.end(bytes);
  return await back;
}

/** The option by which a client takes the buildlet's machine for its own. */
const onThisMachine = { isUnconfinedHere: true };

const ways: { way: string; client: () => Promise<BuildletClient> }[] = [
  {
    way: 'directly',
    client: async () => clientOf(await startBuildlet({ password: 'secret' }), 'secret'),
  },
  {
    way: 'through a coordinator',
    client: async () => {
      const { client } = await startCoordinator();
      return await client('me').createBuildlet('linux');
    },
  },
];

describe.each(ways)('a port of a buildlet that is reached $way', ({ client: open }) => {
  it('carries bytes in both directions, and continues in one when the other has ended', async () => {
    const client = await open();
    const bytes = Buffer.alloc(5 << 20, 'abc');
    const target = await serverAt((socket) => {
      void received(socket).then((got) => socket.end(got));
    });
    const stream = await client.ports.connect(target);
    expect((await sendThrough(stream, bytes)).equals(bytes)).toBe(true);
  });

  it('is refused at once, with the reason', async () => {
    const client = await open();
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await expect(client.ports.connect(tcp(port))).rejects.toMatchObject({
      code: 'ERR_CONNECT',
      message: `127.0.0.1:${port} on ${client.name}: connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  it('that breaks off there is not taken for an end here', async () => {
    const client = await open();
    const target = await serverAt((socket) => {
      socket.write('half');
      socket.once('data', () => breakOff(socket));
    });
    const stream = await client.ports.connect(target);
    stream.once('data', () => stream.write('got it'));
    await expect(received(stream)).rejects.toThrow(/ECONNRESET|broke off/);
  });

  it('that breaks off here is not taken for an end there', async () => {
    const client = await open();
    let failure: Error | undefined;
    const target = await serverAt((socket) => {
      socket.on('error', (error) => {
        failure = error;
      });
      socket.on('data', (chunk) => socket.write(chunk));
    });
    const stream = await client.ports.connect(target);
    stream.write('half');
    await once(stream, 'data');
    stream.destroy();
    await expect.poll(() => failure).toMatchObject({ code: 'ECONNRESET' });
  });

  it('takes connections there for the client, until it is closed', async () => {
    const client = await open();
    const listener = await client.ports.listen(tcp(0), echo);
    if (listener.at.kind !== 'tcp') throw new Error('not at a port');
    const { port } = listener.at;
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    expect((await sendThrough(socket, Buffer.from('hello'))).toString()).toBe('hello');
    await expect(client.ports.listen(tcp(port), echo)).rejects.toMatchObject({
      message: expect.stringContaining('EADDRINUSE'),
    });
    listener.close();
    await listener.ended;
    await expect
      .poll(
        async () =>
          await once(connect({ host: '127.0.0.1', port }), 'connect').then(
            () => 'open',
            () => 'closed',
          ),
      )
      .toBe('closed');
  });

  it('can be the socket of a file, at either end', async () => {
    const client = await open();
    const directory = temporaryDirectory();
    const target = await serverAt(echo, join(directory, 'there'));
    const stream = await client.ports.connect(target);
    expect((await sendThrough(stream, Buffer.from('hello'))).toString()).toBe('hello');
    const path = join(directory, 'here');
    const listener = await client.ports.listen({ kind: 'unix', path }, echo);
    expect(statSync(path).isSocket()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const socket = connect({ path, allowHalfOpen: true });
    expect((await sendThrough(socket, Buffer.from('hello'))).toString()).toBe('hello');
    listener.close();
    await listener.ended;
    await expect.poll(() => existsSync(path)).toBe(false);
  });

  it('carries hundreds of streams at once, each separately', async () => {
    const client = await open();
    const target = await serverAt(echo);
    const results = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const bytes = Buffer.from(`${index} `.repeat(3_000));
        const stream = await client.ports.connect(target);
        return (await sendThrough(stream, bytes)).equals(bytes);
      }),
    );
    expect(results.every(Boolean)).toBe(true);
  });
});

describe('a port of a buildlet', () => {
  it('is reached again after its connection was lost, and only what was open breaks', async () => {
    const buildlet = await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
    const cutter = await startCutter(buildlet.address);
    const client = clientOf({ ...buildlet, address: cutter.address });
    const target = await serverAt(echo);
    const lost = await client.ports.connect(target);
    const broken = expect(received(lost)).rejects.toMatchObject({ code: 'ERR_LOST' });
    cutter.drop();
    await broken;
    const stream = await client.ports.connect(target);
    expect((await sendThrough(stream, Buffer.from('hello'))).toString()).toBe('hello');
  });

  it('is reached also when the call that began the connection is cancelled', async () => {
    const client = clientOf(await startBuildlet());
    const target = await serverAt(echo);
    const leaving = new AbortController();
    const left = client.ports.connect(target, { signal: leaving.signal });
    const stream = client.ports.connect(target);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await sendThrough(await stream, Buffer.from('hello'))).toString()).toBe('hello');
  });

  it('requires the password', async () => {
    const client = clientOf(await startBuildlet({ password: 'secret' }), 'wrong');
    await expect(client.ports.connect(tcp(1))).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });

  it('is reported as missing where the buildlet lacks the extension', async () => {
    const client = clientOf(await startBuildlet({ features: [] }));
    await expect(client.ports.connect(tcp(1))).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: `${client.name} cannot forward ports`,
    });
  });

  it('on this machine is connected to by the client itself, until its connection to the buildlet ends', async () => {
    const buildlet = await startBuildlet();
    const cutter = await startCutter(buildlet.address);
    const client = clientOf({ ...buildlet, address: cutter.address }, '', onThisMachine);
    const failed: (string | undefined)[] = [];
    const target = await serverAt((socket) => {
      socket.on('error', (error) => failed.push(errnoOf(error)));
      socket.pipe(socket);
    });
    const whole = await client.ports.connectNear(target);
    expect(whole).toBeInstanceOf(Socket);
    expect((await sendThrough(whole.resume(), Buffer.from('hello'))).toString()).toBe('hello');
    for (const cut of [() => cutter.drop(), () => void client.ports.close()]) {
      const stream = await client.ports.connectNear(target);
      const closed = once(stream.resume(), 'close');
      stream.write('half');
      cut();
      await closed;
      expect(stream.readableEnded).toBe(false);
      await expect.poll(() => failed.splice(0)).toEqual(['ECONNRESET']);
    }
  });

  it('on this machine that breaks off, at either end, is not taken for an end at the other', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet, '', onThisMachine);
    const reached: Socket[] = [];
    const target = await serverAt((socket) => {
      reached.push(socket.pause());
      socket.write('half');
    });
    const place = {
      name: client.name,
      client,
      explain: async (error: unknown) => error,
      explained: async <T>(work: () => Promise<T>) => await work(),
    };
    const spec = `0:${formatTarget(target).replace('tcp:', '')}`;
    for (const cut of [
      () => reached.forEach((socket) => void breakOff(socket)),
      () => void buildlet.close(),
    ]) {
      const forward = await openForward(place, spec, {});
      const socket = connect({ host: '127.0.0.1', port: Number(forward.from.split(':').at(-1)) });
      onTestFinished(() => void socket.destroy());
      await once(socket, 'data');
      const broken = expect(once(socket, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
      cut();
      await broken;
      await forward.close();
    }
  });

  it('on this machine is refused with the same error as by the buildlet', async () => {
    const client = clientOf(await startBuildlet(), '', onThisMachine);
    const path = join(temporaryDirectory(), 'missing');
    const message = `unix:${path} on ${client.name}: connect ENOENT ${path}`;
    const refused = { code: 'ERR_CONNECT', message };
    await expect(client.ports.connect({ kind: 'unix', path })).rejects.toMatchObject(refused);
    await expect(client.ports.connectNear({ kind: 'unix', path })).rejects.toMatchObject(refused);
  });

  it.each([
    { where: 'elsewhere', options: {} },
    { where: 'on this machine', options: onThisMachine },
  ])('of a buildlet without a network $where is no port of the machine', async ({ options }) => {
    const confinement = {
      isolation: 'none',
      network: 'none',
      firewall: 'run',
      hasOwnUser: false,
      readOnly: [],
      writable: [],
      limits: {},
    } as const;
    const client = clientOf(await startBuildlet({ confinement }), '', options);
    const target = await serverAt(echo);
    await expect(client.ports.connectNear(target)).rejects.toThrow('commands have no network here');
    await expect(client.ports.listen(tcp(0), echo)).rejects.toThrow(
      'commands have no network here',
    );
  });

  it.skipIf(!hasBubblewrap)('of a sandbox is a port of its commands, at either end', async () => {
    const confinement = sandboxed({ network: 'none' });
    const client = clientOf(await startBuildlet({ confinement }), '', onThisMachine);
    const outside = await serverAt(echo);
    await expect(client.ports.connectNear(outside)).rejects.toThrow('ECONNREFUSED');
    const listener = await client.ports.listen(tcp(0), echo);
    if (listener.at.kind !== 'tcp') throw new Error('not at a port');
    const { port } = listener.at;
    const script = `
      const net = require('node:net');
      const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        socket.pipe(socket);
        server.close();
      });
      server.listen(4711, '127.0.0.1', () => {
        const socket = net.connect({ port: ${port}, host: '127.0.0.1', allowHalfOpen: true });
        socket.end('hello');
        socket.pipe(process.stdout, { end: false });
      });`;
    const chunks: Buffer[] = [];
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        chunks.push(chunk);
        done();
      },
    });
    const run = client.exec(process.execPath, { systemLevel: true, args: ['-e', script], output });
    await expect.poll(() => Buffer.concat(chunks).toString(), { timeout: 10_000 }).toBe('hello');
    const stream = await client.ports.connect(tcp(4711));
    expect((await sendThrough(stream, Buffer.from('there'))).toString()).toBe('there');
    expect((await run).ok).toBe(true);
    listener.close();
    await listener.ended;
  });

  it.skipIf(!hasBubblewrap)('that is taken in a sandbox ends with the sandbox', async () => {
    const client = clientOf(await startBuildlet({ confinement: sandboxed() }));
    const listener = await client.ports.listen(tcp(0), echo);
    await resetBuildlet(client);
    expect(await listener.ended).toBe('what listened there has ended');
  });

  it('that is closed while a connection is open refuses the next, and the buildlet lives', async () => {
    const client = clientOf(await startBuildlet());
    const listener = await client.ports.listen(tcp(0), echo);
    if (listener.at.kind !== 'tcp') throw new Error('not at a port');
    const { port } = listener.at;
    const first = connect({ host: '127.0.0.1', port });
    onTestFinished(() => void first.destroy());
    first.on('error', () => undefined).write('hello');
    await once(first, 'data');
    listener.close();
    // Goodbye travels ahead of these, or they are carried: either way each has its end.
    for (let i = 0; i < 20; i++) {
      const next = connect({ host: '127.0.0.1', port });
      onTestFinished(() => void next.destroy());
      next.on('error', () => undefined).on('end', () => next.end());
      next.end('more');
      next.resume();
      await new Promise((resolve) => next.once('close', resolve));
    }
    expect((await client.status()).version).toBeGreaterThan(0);
  });

  it('breaks off when the buildlet ends', async () => {
    const buildlet = await startBuildlet();
    const client = clientOf(buildlet);
    const stream = await client.ports.connect(await serverAt(echo));
    const broken = expect(received(stream)).rejects.toThrow('the buildlet ends');
    await buildlet.close();
    await broken;
  });
});
