// Forwarded ports where the buildlet, or what is on the way to it, does what it should not.
import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BuildletClient, type BuildletClientOptions } from '../../src/client/buildlet-client.ts';
import { reachOfSockets } from '../../src/files/target-sockets.ts';
import { openForward } from '../../src/gomote/forward.ts';
import {
  forwardUpgrade,
  listeningHeader,
  reachHeader,
  type SocketTarget,
} from '../../src/protocol/forward.ts';
import { callingLink, servingLink } from '../../src/reverse/reverse-link.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { echoServer, sent } from '../helpers/ports.ts';

type Hostile = (socket: Duplex, count: number) => void;

/** A buildlet of which nothing is true but that it upgrades, with that header. */
async function hostileBuildlet(
  at: string | undefined,
  onUpgrade: Hostile,
  headerName = listeningHeader,
  options: BuildletClientOptions = {},
): Promise<BuildletClient> {
  let count = 0;
  const server = createHttpServer();
  server.on('upgrade', (_request, socket) => {
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    const header = at === undefined ? '' : `${headerName}: ${at}\r\n`;
    socket.write(
      `HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: ${forwardUpgrade}\r\n${header}\r\n`,
    );
    onUpgrade(socket, count++);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return clientAt((server.address() as AddressInfo).port, options);
}

function clientAt(port: number, options: BuildletClientOptions = {}): BuildletClient {
  const client = new BuildletClient(`127.0.0.1:${port}`, { password: '' }, options);
  onTestFinished(() => client.disconnect());
  return client;
}

const reached = (client: BuildletClient) => ({
  name: client.name,
  client,
  explain: async (error: unknown) => error,
  explained: async <T>(work: () => Promise<T>) => await work(),
});

const unconfined = { isUnconfinedHere: true };

/** The target that a client asks the buildlet to connect to. */
async function askedTarget(
  target: SocketTarget,
  reach: string | undefined,
  options: BuildletClientOptions,
): Promise<string> {
  const seen = new EventEmitter();
  const onUpgrade = (socket: Duplex) => {
    socket.on('data', (frames: Buffer) => {
      const [words] = /(?:tcp|unix):.*/.exec(frames.toString('latin1')) ?? [];
      if (words !== undefined) seen.emit('target', words);
    });
  };
  const client = await hostileBuildlet(reach, onUpgrade, reachHeader, options);
  const asked = once(seen, 'target');
  client.ports.connectNear(target).catch(() => undefined);
  return String((await asked)[0]);
}

it.each([
  { reach: undefined, options: unconfined },
  { reach: '', options: unconfined },
  { reach: 'undefined', options: unconfined },
  { reach: 'net:[1] mnt:[1] user:[1] uid:[0]', options: unconfined },
  { reach: `${reachOfSockets()}, ${reachOfSockets()}`, options: unconfined },
  // As of one that is confined, or of which nothing is known: what it says does not matter.
  { reach: reachOfSockets(), options: { sharedDirectory: '/not/there' } },
])(
  'a buildlet whose sockets reach "$reach", with $options, connects to them itself',
  async ({ reach, options }) => {
    const target = { kind: 'tcp', host: '127.0.0.1', port: 9 } as const;
    expect(await askedTarget(target, reach, options)).toBe('tcp:127.0.0.1:9');
  },
);

it.each(['app.sock', './app.sock', '../app.sock'])(
  'a buildlet on this machine connects to the socket "%s" itself, as its own directory is another one',
  async (path) => {
    expect(await askedTarget({ kind: 'unix', path }, reachOfSockets(), unconfined)).toBe(
      `unix:${path}`,
    );
  },
);

describe('a buildlet that listens', () => {
  it.each([
    { at: undefined },
    { at: '%E0%A4%A' },
    { at: 'tcp:127.0.0.1:0' },
    { at: 'tcp:127.0.0.1:99999' },
    { at: 'unix:/run/of/another' },
  ])('at "$at" is reported as broken, and its connection is closed', async ({ at }) => {
    let closed: Promise<unknown> | undefined;
    const client = await hostileBuildlet(at, (socket) => {
      closed = new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
      socket.resume();
    });
    await expect(
      client.ports.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, () => undefined),
    ).rejects.toMatchObject({ code: 'ERR_REPLY' });
    await closed;
  });

  it('cannot open more than 500 connections here', async () => {
    let taken = 0;
    let refused = 0;
    const client = await hostileBuildlet('tcp:127.0.0.1:1', (socket) => {
      const link = callingLink({ socket, head: Buffer.alloc(0) }, { label: 'the client' });
      for (let i = 0; i < 2_000; i++) {
        link.open().on('error', (error) => {
          if (error.message.includes('500 streams already')) refused++;
        });
      }
    });
    await client.ports.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, () => {
      taken++;
    });
    await expect.poll(() => taken + refused).toBe(2_000);
    expect(taken).toBe(500);
  });

  it('and takes back its connections at once leaves none open here', async () => {
    let open = 0;
    const server = createServer((socket) => {
      open++;
      socket.on('error', () => undefined).once('close', () => open--);
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    let ask: Promise<boolean> | undefined;
    const client = await hostileBuildlet('tcp:127.0.0.1:1', (socket) => {
      const link = callingLink({ socket, head: Buffer.alloc(0) }, { label: 'the client' });
      for (let i = 0; i < 2_000; i++) link.open().destroy();
      ask = link.answers(30_000);
    });
    const { port } = server.address() as AddressInfo;
    const forward = await openForward(reached(client), `0:${port}`, { remote: true });
    await ask;
    await expect.poll(() => open).toBe(0);
    await forward.close();
  });
});

it('a connection that is lost as soon as it is made is reopened after pauses', async () => {
  let made = 0;
  const client = await hostileBuildlet('tcp:127.0.0.1:1', (socket) => {
    made++;
    socket.end();
  });
  let told = 0;
  const forward = await openForward(reached(client), '0:9', {
    remote: true,
    onTrouble: () => told++,
  });
  await expect.poll(() => told).toBeGreaterThan(2);
  // As many as come in the pause that follows: hundreds, without one.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await forward.close();
  expect(made).toBeLessThan(10);
});

it('a port there is taken again once the machine has noticed that its connection was lost', async () => {
  const buildlet = await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  const far: Socket[] = [];
  const near: Socket[] = [];
  // Loses connections at this end alone.
  const relay = createServer((socket) => {
    const [host, port] = buildlet.address.split(':');
    const onward = connect({ host, port: Number(port) });
    near.push(socket);
    far.push(onward);
    onTestFinished(() => void onward.destroy());
    onward
      .on('error', () => undefined)
      .on('data', (chunk) => socket.destroyed || socket.write(chunk));
    socket.on('error', () => undefined).on('data', (chunk) => onward.write(chunk));
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  onTestFinished(() => void relay.close());
  const client = clientAt((relay.address() as AddressInfo).port);
  const target = await echoServer();
  await using forward = await openForward(reached(client), `0:${target}`, { remote: true });
  const port = Number(forward.from.split(':').at(-1));
  expect(await sent(port, 'one')).toBe('one');
  const lost = far.length;
  for (const socket of near) socket.resetAndDestroy();
  // It was tried again, in vain.
  await expect.poll(() => far.length, { timeout: 10_000 }).toBeGreaterThan(lost + 1);
  for (const socket of far.slice(0, lost)) socket.destroy();
  await expect.poll(() => sent(port, 'two'), { timeout: 20_000 }).toBe('two');
});

describe('a buildlet that takes connections', () => {
  it('and never names their target is reported after 30 s', async () => {
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const client = await hostileBuildlet(undefined, (socket) => {
      servingLink({ socket, head: Buffer.alloc(0) }, { label: 'the client' }, () => asked());
    });
    await client.ports.open();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const failure = client.ports
      .connect({ kind: 'tcp', host: 'localhost', port: 80 })
      .catch((error: unknown) => error);
    await isAsked;
    vi.advanceTimersByTime(30_000);
    expect(await failure).toMatchObject({
      code: 'ERR_CONNECT',
      message: expect.stringMatching(/^localhost:80 on .*: no answer for 30 s$/),
    });
  });
});

describe('a forward to a port here that refuses', () => {
  it('reports it once for connections that follow each other', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    let refused = 0;
    const client = await hostileBuildlet('tcp:127.0.0.1:1', (socket) => {
      const link = callingLink({ socket, head: Buffer.alloc(0) }, { label: 'the client' });
      for (let i = 0; i < 20; i++) link.open().on('error', () => refused++);
    });
    const lines: string[] = [];
    const onTrouble = (line: string) => void lines.push(line);
    const forward = await openForward(reached(client), `0:${port}`, { remote: true, onTrouble });
    await expect.poll(() => refused).toBe(20);
    await forward.close();
    expect(lines).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });
});
