// Sockets that read into buffers used again: each byte once and in order, whoever reads, and however slowly.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { breakOff, joinStreams } from '../../src/files/join-streams.ts';
import { RingSocket } from '../../src/files/ring-socket.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

type Place = { port: number; host: string } | { path: string };

const ends = { allowHalfOpen: true, noDelay: true };

async function serverOf(
  onSocket: (socket: Socket) => void,
  path?: string,
): Promise<{ server: Server; place: Place }> {
  const server = createServer({ ...ends, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const place = { port: (server.address() as AddressInfo).port, host: '127.0.0.1' };
  return { server, place: path === undefined ? place : { path } };
}

function dialled(place: Place, socket = new Socket(ends)): Socket {
  onTestFinished(() => void socket.destroy());
  return socket.connect(place).on('error', () => undefined);
}

/** Two sockets that are connected by way of two joined ones, which read into rings. */
async function relayed(path?: string) {
  const peers: Socket[] = [];
  const { place: target } = await serverOf((socket) => {
    onTestFinished(() => void socket.destroy());
    peers.push(socket);
  }, path);
  const joined: [accepted: Socket, onward: Socket][] = [];
  const { server, place } = await serverOf((socket) => {
    const accepted = RingSocket.takeOver(socket);
    const onward = dialled(target, new RingSocket());
    joined.push([accepted, onward]);
    void joinStreams(accepted, onward);
  });
  const open = async () => {
    const near = dialled(place);
    const count = peers.length;
    await expect.poll(() => peers.length).toBe(count + 1);
    const [far, [accepted, onward]] = [peers.at(-1), joined.at(-1) ?? []];
    if (far === undefined || accepted === undefined || onward === undefined) throw new Error();
    return { near, far, accepted, onward };
  };
  return { open, server };
}

/** Writes it in pieces of changing sizes, some of them in a turn of their own. */
async function send(socket: Socket, content: Buffer): Promise<void> {
  for (let at = 0, size = 1; at < content.length; at += size, size = (size * 7 + 3) % 700_001) {
    if (!socket.write(content.subarray(at, at + size))) await once(socket, 'drain');
    if (size % 3 === 0) await turn();
  }
  socket.end();
}

/** What comes until the end; the other direction stays open. */
async function received(socket: Socket, onPiece = () => {}): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    onPiece();
  });
  await once(socket.resume(), 'end');
  return Buffer.concat(pieces);
}

const receivedSlowly = async (socket: Socket): Promise<Buffer> =>
  await received(socket, () => {
    socket.pause();
    setImmediate(() => socket.resume());
  });

async function same(came: Promise<Buffer>, content: Buffer): Promise<void> {
  expect((await came).equals(content)).toBe(true);
}

describe.each(['a port', 'a unix socket'])('joined ring sockets, one of them to %s,', (kind) => {
  const path = () => (kind === 'a port' ? undefined : join(temporaryDirectory(), 'socket'));

  it('carry many connections at once, each byte once and in order', async () => {
    const { open } = await relayed(path());
    const all: Promise<void>[] = [];
    for (let index = 0; index < 4; index++) {
      const { near, far } = await open();
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        const content = randomBytes(3_000_001);
        const came = index % 2 === 0 ? received(to) : receivedSlowly(to);
        all.push(send(from, content), same(came, content));
      }
    }
    await Promise.all(all);
  });

  it('end one direction, and go on in the other', async () => {
    const { open } = await relayed(path());
    const { near, far } = await open();
    near.end('question');
    expect((await received(far)).toString()).toBe('question');
    const answer = randomBytes(1_000_000);
    far.end(answer);
    await same(received(near), answer);
  });

  it('let what is written wait when the other end does not read', async () => {
    const { open } = await relayed(path());
    const { near, far, accepted, onward } = await open();
    const content = randomBytes(32 << 20);
    near.end(content);
    let read: number;
    do {
      read = accepted.bytesRead;
      for (let turns = 0; turns < 50; turns++) await turn();
    } while (read === 0 || accepted.bytesRead > read);
    expect(onward.writableLength).toBeLessThanOrEqual(1 << 19);
    expect(read).toBeLessThan(content.length);
    await same(received(far), content);
  });

  it('break off when one of them does', async () => {
    const { open } = await relayed(path());
    for (const broken of ['accepted', 'onward'] as const) {
      const made = await open();
      made.far.write('half');
      await once(made.near, 'data');
      const closed = [made.accepted, made.onward].map(
        (socket) => new Promise((resolve) => socket.once('close', resolve)),
      );
      breakOff(made[broken]);
      await Promise.all(closed);
    }
  });
});

describe('a ring socket', () => {
  it('is an ordinary stream for its readers', async () => {
    const content = randomBytes(2_000_000);
    const { place } = await serverOf((socket) => void send(socket, content));
    await same(receivedSlowly(dialled(place, new RingSocket())), content);
  });

  it('that was taken over is an ordinary stream, too, and its server does not wait for the accepted socket', async () => {
    const content = randomBytes(2_000_000);
    const { server, place } = await serverOf((accepted) => {
      const socket = RingSocket.takeOver(accepted);
      expect(socket).toBeInstanceOf(RingSocket);
      expect(accepted.destroyed).toBe(true);
      server.close();
      socket.pipe(socket);
    });
    const closed = once(server, 'close');
    const socket = dialled(place);
    await Promise.all([send(socket, content), same(received(socket), content), closed]);
  });

  it('is not made of a socket without a handle', async () => {
    const { place } = await serverOf((socket) => void socket.resume());
    const socket = dialled(place);
    await once(socket, 'connect');
    socket.destroy();
    expect(RingSocket.takeOver(socket)).toBe(socket);
  });
});
