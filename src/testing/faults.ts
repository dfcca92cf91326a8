// Faults in one direction of a connection.
import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** A fault that happens at a given byte of one direction of a connection. */
export interface Fault {
  /**
   * `drop` resets the connection at both ends, `end` closes it normally, `stall` stops the bytes of that
   * direction, `corrupt` flips one bit, `split` sends each of the next 100 bytes in its own packet.
   */
  readonly kind: 'drop' | 'end' | 'stall' | 'corrupt' | 'split';
  /** `up`: from the client; `down`: to the client. */
  readonly direction: 'up' | 'down';
  /** How many bytes pass in that direction before the fault. */
  readonly afterBytes: number;
}

/** How many bytes `split` sends one by one: enough for a header, few enough to be fast. */
const splitBytes = 100;

interface RelayParts {
  readonly fault: Fault | undefined;
  readonly drop: () => void;
  readonly end: () => void;
  /** Called with the size of each piece that passes. */
  readonly count: (bytes: number) => void;
  /** The current rate, in bytes a second. */
  readonly bytesPerSecond: () => number;
}

/** One direction of a connection. */
export class Relay extends Transform {
  readonly #parts: RelayParts;
  readonly #gone = new AbortController();
  #passed = 0;
  #isStalled = false;

  constructor(parts: RelayParts) {
    super();
    this.#parts = parts;
  }

  /** Stops the bytes of this direction. */
  stall(): void {
    this.#isStalled = true;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#gone.abort();
    done(error);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#isStalled) return;
    const { fault } = this.#parts;
    const before = (fault?.afterBytes ?? Infinity) - this.#passed;
    this.#passed += chunk.length;
    if (fault === undefined || before >= chunk.length || before < 0) {
      this.#pass(chunk, done);
      return;
    }
    this.#pass(chunk.subarray(0, before), () =>
      this.#apply(fault.kind, Buffer.from(chunk.subarray(before)), done),
    );
  }

  #pass(piece: Buffer, done: () => void): void {
    const pass = () => {
      this.#parts.count(piece.length);
      if (piece.length > 0) this.push(piece);
      done();
    };
    const pauseMs = (piece.length / this.#parts.bytesPerSecond()) * 1_000;
    if (pauseMs === 0) pass();
    else sleep(pauseMs, undefined, { signal: this.#gone.signal }).then(pass, () => undefined);
  }

  #apply(kind: Fault['kind'], rest: Buffer, done: () => void): void {
    if (kind === 'stall') return;
    if (kind === 'drop' || kind === 'end') {
      this.#parts[kind]();
      return;
    }
    if (kind === 'corrupt') {
      rest[0] = (rest[0] ?? 0) ^ 0x10;
      this.#pass(rest, done);
      return;
    }
    const step = (at: number) => {
      if (at >= Math.min(rest.length, splitBytes)) return this.#pass(rest.subarray(at), done);
      this.#pass(rest.subarray(at, at + 1), () => setImmediate(step, at + 1));
    };
    step(0);
  }
}
