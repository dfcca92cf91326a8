// Two ends of a link over a real socket pair, through the cutter.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  controlFrame,
  dataLimitBytes,
  frameHeader,
  frameTypes,
  initialCreditBytes,
} from '../../src/protocol/frames.ts';
import {
  type CallingLink,
  callingLink,
  type ReverseLink,
  servingLink,
} from '../../src/reverse/reverse-link.ts';
import { startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';

const head = Buffer.alloc(0);

async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutter = await startCutter(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const accepted = once(server, 'connection');
  const near = connect(Number(cutter.address.split(':')[1]), '127.0.0.1');
  const [far] = (await accepted) as [Socket];
  onTestFinished(() => {
    server.close();
    for (const socket of [near, far]) socket.on('error', () => undefined).destroy();
  });
  return [near, far];
}

async function links(onConnection: (stream: Duplex) => void): Promise<[CallingLink, ReverseLink]> {
  const [near, far] = await socketPair();
  const caller = callingLink({ socket: near, head }, { label: 'the server' });
  return [caller, servingLink({ socket: far, head }, { label: 'the caller' }, onConnection)];
}

/** Sends back what comes, piece by piece. */
function echo(stream: Duplex): void {
  stream.on('error', () => undefined);
  stream.on('data', (chunk: Buffer) => {
    if (!stream.write(chunk)) stream.pause();
  });
  stream.on('drain', () => stream.resume()).once('end', () => stream.end());
}

it('a stream continues after a control frame has filled the buffer of the socket', async () => {
  const sent: string[] = [];
  const written: (() => void)[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      sent.push(chunk.toString('latin1'));
      written.push(done);
    },
  });
  const caller = callingLink({ socket, head }, { label: 'the server' });
  onTestFinished(() => void socket.destroy());
  const [first, second] = [caller.open(), caller.open()];
  const fullBytes = 256 << 10;
  const frames = Math.ceil(fullBytes / dataLimitBytes);
  const headers = frames * frameHeader(frameTypes.data, 1, 0).length;
  first.write(Buffer.alloc(fullBytes - 1 - headers - socket.writableLength));
  expect(socket.writableLength).toBe(fullBytes - 1);
  void caller.answers(1);
  second.write('the rest');
  await until(() => {
    written.shift()?.();
    return sent.includes('the rest');
  });
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('the streams over one socket', () => {
  it('carry any bytes, in any pieces, many streams at once', async () => {
    const [caller] = await links(echo);
    const pieces = fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(pieces, { minLength: 1, maxLength: 8 }), async (streams) => {
        const results = await Promise.all(
          streams.map(async (sizes) => {
            const stream = caller.open();
            const back = buffer(stream);
            const sent = sizes.map((size) => randomBytes(size));
            for (const bytes of sent) {
              if (!stream.write(bytes)) await once(stream, 'drain');
            }
            stream.end();
            return sha256(await back) === sha256(Buffer.concat(sent));
          }),
        );
        expect(results).toEqual(streams.map(() => true));
      }),
      { numRuns: 15 },
    );
  });

  it('are forgotten when both directions have ended', async () => {
    const served: Duplex[] = [];
    const [caller] = await links((stream) => {
      served.push(stream);
      echo(stream);
    });
    const stream = caller.open();
    const back = buffer(stream);
    stream.end('x');
    expect(String(await back)).toBe('x');
    await until(() => stream.closed && served.every(({ closed }) => closed));
    expect(stream.errored).toBeNull();
  });

  it('pause the sender while the reader does not read, and continue when it does', async () => {
    const served: Duplex[] = [];
    const [caller] = await links((stream) => served.push(stream));
    const stream = caller.open();
    const bytes = randomBytes(16 << 20);
    stream.write(bytes);
    stream.end();
    const other = caller.open();
    other.write('quick');
    await until(() => served.length === 2);
    const [slow, quick] = served as [Duplex, Duplex];
    expect(String((await once(quick, 'data'))[0])).toBe('quick');
    expect(slow.readableLength).toBeLessThanOrEqual(initialCreditBytes);
    expect(sha256(await buffer(slow))).toBe(sha256(bytes));
  });

  it('tell the other end when one is reset, with the reason', async () => {
    const served: Duplex[] = [];
    const [caller] = await links((stream) => served.push(stream));
    const [first, second] = [caller.open(), caller.open()];
    first.write('x');
    second.write('y');
    await until(() => served.length === 2);
    const failed = once(first, 'error');
    served[0]?.on('error', () => undefined).destroy(new Error('no more'));
    expect((await failed)[0]).toMatchObject({
      code: 'ERR_LOST',
      message: 'the server: it cut the stream: no more',
    });
    const left = once(served[1] as Duplex, 'error');
    second.destroy();
    expect((await left)[0]).toMatchObject({ message: 'the caller: it cut the stream' });
  });

  it('time out like sockets when they are idle and a time-out is set', async () => {
    const [caller] = await links(echo);
    const stream = caller.open();
    const timedOut = once(stream, 'timeout');
    stream.setTimeout(10);
    await timedOut;
    const never = () => expect.unreachable();
    stream.setTimeout(60_000, never).setTimeout(0, never);
    expect(stream.listenerCount('timeout')).toBe(0);
    stream.destroy();
  });

  it('continue in one direction when the other has ended', async () => {
    const [caller] = await links((stream) => {
      let got = 0;
      stream.on('data', (chunk: Buffer) => {
        got += chunk.length;
      });
      stream.once('end', () => stream.end(`got ${got}`));
    });
    const stream = caller.open();
    stream.end(Buffer.alloc(3_000_000));
    expect(String(await buffer(stream))).toBe('got 3000000');
  });
});

describe('a link', () => {
  it.each([
    ['more data than credit', dataOf(1, initialCreditBytes + 1)],
    ['unknown frame type 99', Buffer.from([99, 0, 0, 0, 0, 0, 0, 0])],
    ['stream 1 after 1', controlFrame(frameTypes.open, 1)],
  ])('is ended when the other end breaks the protocol: %s', async (what, bytes) => {
    const [near, far] = await socketPair();
    const link = servingLink({ socket: far, head }, { label: 'x' }, (stream) => {
      stream.on('error', () => undefined);
    });
    near.write(controlFrame(frameTypes.open, 1));
    near.write(bytes);
    expect(await link.ended).toBe(`it broke the protocol: ${what}`);
  });

  it('accepts no stream from the end that may not open any', async () => {
    const [near, far] = await socketPair();
    const link = callingLink({ socket: far, head }, { label: 'x' });
    near.write(controlFrame(frameTypes.open, 1));
    expect(await link.ended).toBe('it broke the protocol: a stream that was not asked for');
  });

  it('reads the bytes that came with the upgrade', async () => {
    const [near, far] = await socketPair();
    const served: Duplex[] = [];
    const early = Buffer.concat([controlFrame(frameTypes.open, 1), dataOf(1, 3)]);
    servingLink({ socket: far, head: early.subarray(0, 9) }, { label: 'x' }, (stream) =>
      served.push(stream.on('error', () => undefined)),
    );
    near.write(early.subarray(9));
    await until(() => served.length === 1);
    expect((await once(served[0] as Duplex, 'data'))[0]).toHaveLength(3);
  });

  it('ends at once with its socket', async () => {
    const [near] = await socketPair();
    near.destroy();
    await once(near, 'close');
    const link = callingLink({ socket: near, head }, { label: 'x' });
    expect(await link.ended).toBe('the connection was lost');
    expect(() => link.open()).toThrow('x: the connection was lost');
  });

  it('knows whether the other end answers', async () => {
    const [caller, server] = await links(() => undefined);
    expect(await caller.answers(5_000)).toBe(true);
    server.end('enough');
    expect(await caller.ended).toBe('enough');
    expect(await caller.answers(5_000)).toBe(false);
    const [near] = await socketPair();
    const silent = callingLink({ socket: near, head }, { label: 'x' });
    expect(await silent.answers(20)).toBe(false);
  });
});

/** Data frames of so many bytes. */
function dataOf(stream: number, sizeBytes: number): Buffer {
  const frames: Buffer[] = [];
  for (let left = sizeBytes; left > 0; left -= 60_000) {
    const size = Math.min(left, 60_000);
    frames.push(frameHeader(frameTypes.data, stream, size), Buffer.alloc(size));
  }
  return Buffer.concat(frames);
}
