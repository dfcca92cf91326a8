// A TCP relay between two ends that cuts, stalls, corrupts or splits what passes, at any byte.

import type { AddressInfo } from 'node:net';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { onTestFinished } from 'vitest';

/** What happens to a connection once `afterBytes` have passed in the direction; until then nothing does. */
export interface Fault {
  /**
   * `cut` resets both sides, `end` closes them in an orderly way, `stall` lets nothing pass any more, `corrupt` flips
   * one bit, `split` sends every byte from there on in a packet of its own, for the next hundred.
   */
  readonly kind: 'cut' | 'end' | 'stall' | 'corrupt' | 'split';
  readonly direction: 'up' | 'down';
  readonly afterBytes: number;
}

export interface Cutter {
  /** `HOST:PORT` to connect to. */
  readonly address: string;
  /** How many connections were made. */
  readonly connections: number;
  /** Bytes that passed, of all connections. */
  readonly upBytes: number;
  readonly downBytes: number;
  /** The fault of each next connection, by its number from 0; undefined: none. */
  plan: (connection: number) => Fault | undefined;
  /** Cuts what is connected now. */
  cutAll(): void;
  /** Lets nothing pass any more of what is connected now. */
  stallAll(): void;
  /** While false, new connections are reset at once. */
  accepting: boolean;
}

/** Starts a relay to `target` (`unix:PATH` or `HOST:PORT`), which ends with the test. */
export async function startCutter(target: string): Promise<Cutter> {
  const sockets = new Set<Socket>();
  const relays = new Set<Relay>();
  const counts = { connections: 0, up: 0, down: 0 };
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    track(near);
    if (!cutter.accepting) return void near.resetAndDestroy();
    const fault = cutter.plan(counts.connections++);
    const far = track(connect({ ...optionsOf(target), allowHalfOpen: true }));
    const cut = () => {
      near.resetAndDestroy();
      far.destroy();
    };
    const end = () => {
      near.end();
      far.end();
    };
    const relay = (direction: 'up' | 'down') => {
      const planned = fault?.direction === direction ? fault : undefined;
      const one = new Relay(planned, { cut, end }, (length) => {
        counts[direction] += length;
      });
      relays.add(one.once('close', () => relays.delete(one)));
      return one;
    };
    pipeline(near, relay('up'), far).catch(cut);
    pipeline(far, relay('down'), near).catch(cut);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutAll = () => {
    for (const socket of sockets) {
      // Only TCP has a reset.
      if (socket.remoteAddress === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  };
  onTestFinished(() => {
    server.close();
    cutAll();
  });
  const { port } = server.address() as AddressInfo;
  const cutter: Cutter = {
    address: `127.0.0.1:${port}`,
    get connections() {
      return counts.connections;
    },
    get upBytes() {
      return counts.up;
    },
    get downBytes() {
      return counts.down;
    },
    plan: () => undefined,
    cutAll,
    stallAll: () => {
      for (const one of relays) one.stall();
    },
    accepting: true,
  };
  return cutter;
}

function optionsOf(target: string): NetConnectOpts {
  if (target.startsWith('unix:')) return { path: target.slice('unix:'.length) };
  const colon = target.lastIndexOf(':');
  return { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) };
}

/** How many bytes a split sends one by one: enough for a header, few enough to be quick. */
const splitBytes = 100;

class Relay extends Transform {
  readonly #fault: Fault | undefined;
  readonly #ends: { cut(): void; end(): void };
  readonly #count: (length: number) => void;
  #passed = 0;
  #isStalled = false;

  constructor(
    fault: Fault | undefined,
    ends: { cut(): void; end(): void },
    count: (length: number) => void,
  ) {
    super();
    this.#fault = fault;
    this.#ends = ends;
    this.#count = count;
  }

  /** Nothing passes any more. */
  stall(): void {
    this.#isStalled = true;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#isStalled) return;
    const before = (this.#fault?.afterBytes ?? Infinity) - this.#passed;
    this.#passed += chunk.length;
    if (this.#fault === undefined || before >= chunk.length || before < 0) {
      this.#pass(chunk);
      done();
      return;
    }
    this.#pass(chunk.subarray(0, before));
    this.#apply(this.#fault, Buffer.from(chunk.subarray(before)), done);
  }

  #pass(chunk: Buffer): void {
    this.#count(chunk.length);
    if (chunk.length > 0) this.push(chunk);
  }

  #apply({ kind }: Fault, rest: Buffer, done: TransformCallback): void {
    if (kind === 'stall') return;
    if (kind === 'cut' || kind === 'end') {
      this.#ends[kind]();
      return;
    }
    if (kind === 'corrupt') {
      rest[0] = (rest[0] ?? 0) ^ 0x10;
      this.#pass(rest);
      done();
      return;
    }
    const step = (at: number) => {
      if (at < Math.min(rest.length, splitBytes)) {
        this.#pass(rest.subarray(at, at + 1));
        setImmediate(step, at + 1);
        return;
      }
      this.#pass(rest.subarray(at));
      done();
    };
    step(0);
  }
}
