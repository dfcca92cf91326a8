// A terminal whose output is also copied to listeners, both streams merged by whole lines.
import { Writable } from 'node:stream';
import type { Terminal } from '../terminal/terminal.ts';

/** Receives what is written to standard output and standard error. */
export interface OutputTap {
  /** The chunk must be used or copied before this returns. */
  take(chunk: Buffer): void | Promise<void>;
}

interface Tapped {
  /** The same terminal; what is written to it is also copied to the taps. */
  readonly terminal: Terminal;
  /** Passes the unfinished lines to the taps. */
  finish(): Promise<void>;
}

/** How much of an unfinished line is held back, in bytes. */
const longestLineBytes = 64 << 10;

export function tapped(terminal: Terminal, taps: readonly OutputTap[]): Tapped {
  if (taps.length === 0) return { terminal, finish: async () => undefined };
  let before = Promise.resolve();
  /** One chunk at a time, whichever stream it is of. */
  const take = async (chunk: Buffer) => {
    before = before.then(async () => {
      for (const one of taps) await one.take(chunk);
    });
    await before;
  };
  const streams = { stdout: new Lines(take), stderr: new Lines(take) };
  let stdout: Terminal['stdout'] | undefined;
  let stderr: Terminal['stderr'] | undefined;
  return {
    // Standard streams are opened on first use only.
    terminal: Object.create(terminal, {
      stdout: { get: () => (stdout ??= tap(terminal.stdout, streams.stdout)) },
      stderr: { get: () => (stderr ??= tap(terminal.stderr, streams.stderr)) },
    }),
    finish: async () => {
      await streams.stdout.finish();
      await streams.stderr.finish();
    },
  };
}

/** One stream, passed on by whole lines, so that the other stream does not split them. */
class Lines {
  readonly #take: (chunk: Buffer) => Promise<void>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(take: (chunk: Buffer) => Promise<void>) {
    this.#take = take;
  }

  async add(chunk: Buffer): Promise<void> {
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) {
      await this.finish();
      await this.#take(chunk.subarray(0, end));
    }
    // The chunk's memory may be used for the next.
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(end)]);
    if (this.#rest.length > longestLineBytes) await this.finish();
  }

  async finish(): Promise<void> {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    if (rest.length > 0) await this.#take(rest);
  }
}

function tap(output: Writable, lines: Lines): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines
        .add(chunk)
        .then(() => output.write(chunk, (error) => done(error && (output.errored ?? error))), done);
    },
  });
}
