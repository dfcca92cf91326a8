// What goes wrong with the bytes of one direction of a connection.
import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens to a connection at one byte of one direction; until then nothing does. */
export interface Fault {
  /**
   * `drop` resets the connection at both ends, `end` closes it in an orderly way, `stall` lets nothing more pass in that
   * direction, `corrupt` flips one bit, `split` sends each of the next 100 bytes in a packet of its own.
   */
  readonly kind: 'drop' | 'end' | 'stall' | 'corrupt' | 'split';
  /** `up`: what the client sends; `down`: what it gets. */
  readonly direction: 'up' | 'down';
  /** How many bytes of that direction pass before. */
  readonly afterBytes: number;
}

/** How many bytes a split sends one by one: enough for a header, few enough to be quick. */
const splitBytes = 100;

interface RelayParts {
  readonly fault: Fault | undefined;
  readonly drop: () => void;
  readonly end: () => void;
  /** Called with the size of each piece that passes. */
  readonly count: (bytes: number) => void;
  /** How many bytes pass in a second at this moment. */
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

  /** Lets nothing more pass. */
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
