// Output of one of several buildlets: whole lines only, each prefixed with the buildlet's name.
import { Writable } from 'node:stream';
import { printable } from '../../printable.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { endStream, type Output, type Outputs } from './outputs.ts';

/** A line longer than this, in bytes, is printed in pieces, so that an endless line does not fill the memory. */
export const longestLine = 256 << 10;

const newline = 0x0a;

export class LinePrefixer {
  readonly #prefix: Buffer;
  #rest: Buffer[] = [];
  #restLength = 0;
  hasCut = false;

  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix);
  }

  /** The lines that the chunk completes. */
  add(chunk: Buffer): Buffer | undefined {
    const end = chunk.lastIndexOf(newline) + 1;
    const whole = end === 0 ? undefined : this.#prefixed(this.#take(chunk.subarray(0, end)));
    if (end < chunk.length) {
      // A copy: the chunk's memory may be reused, and is far larger than the rest of the line.
      this.#rest.push(Buffer.from(chunk.subarray(end)));
      this.#restLength += chunk.length - end;
    }
    if (this.#restLength < longestLine) return whole;
    this.hasCut = true;
    const piece = this.#cut();
    return whole === undefined ? piece : Buffer.concat([whole, piece]);
  }

  /** The last line, if it is unfinished. */
  end(): Buffer | undefined {
    return this.#restLength === 0 ? undefined : this.#prefixed(this.#take(endOfLine));
  }

  #take(last: Buffer): Buffer {
    const all = this.#restLength === 0 ? last : Buffer.concat([...this.#rest, last]);
    [this.#rest, this.#restLength] = [[], 0];
    return all;
  }

  /** The part of a line that is too long, up to the last whole character. */
  #cut(): Buffer {
    const all = this.#take(Buffer.alloc(0));
    const end = wholeCharacters(all);
    this.#rest = [all.subarray(end)];
    this.#restLength = all.length - end;
    return this.#prefixed(Buffer.concat([all.subarray(0, end), endOfLine]));
  }

  #prefixed(lines: Buffer): Buffer {
    const { length } = this.#prefix;
    let count = 0;
    for (let at = lines.indexOf(newline); at >= 0; at = lines.indexOf(newline, at + 1)) count++;
    const result = Buffer.allocUnsafe(lines.length + count * length);
    let to = 0;
    for (let from = 0; from < lines.length; ) {
      const end = lines.indexOf(newline, from) + 1;
      this.#prefix.copy(result, to);
      lines.copy(result, to + length, from, end);
      to += length + end - from;
      from = end;
    }
    return result;
  }
}

const endOfLine = Buffer.from('\n');

/** How many of the bytes form whole UTF-8 characters; all of them when they are not UTF-8. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 4 && back < bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** A stream that writes its lines with the prefix to `to`, with backpressure. */
export class PrefixedLines extends Writable {
  readonly #to: Writable;
  readonly #lines: LinePrefixer;
  readonly #onCut: () => void;

  constructor(to: Writable, prefix: string, onCut: () => void = () => undefined) {
    super({ decodeStrings: true });
    this.#to = to;
    this.#lines = new LinePrefixer(prefix);
    this.#onCut = onCut;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const hadCut = this.#lines.hasCut;
    const lines = this.#lines.add(chunk);
    if (this.#lines.hasCut && !hadCut) this.#onCut();
    this.#pass(lines, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#pass(this.#lines.end(), done);
  }

  #pass(lines: Buffer | undefined, done: (error?: Error | null) => void): void {
    if (lines === undefined) done();
    else if (this.#to.errored) done(this.#to.errored);
    else this.#to.write(lines, done);
  }
}

export class LineOutputs implements Outputs {
  readonly #terminal: Terminal;
  readonly areApart = false;
  readonly areHidden = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  of(name: string): Output {
    const { stdout, isOutputShared } = this.#terminal;
    // Two streams to one place could split each other's lines.
    const stderr = isOutputShared === true ? stdout : this.#terminal.stderr;
    const prefix = `${printable(name)}| `;
    const says = `gomote: a line of more than ${longestLine >> 10} KiB is printed in pieces`;
    const onCut = () => stderr.write(`${prefix}${says}\n`);
    return {
      stdout: new PrefixedLines(stdout, prefix, onCut),
      stderr: new PrefixedLines(stderr, prefix, onCut),
    };
  }

  async end(_name: string, { stdout, stderr }: Output, status: number): Promise<number> {
    await Promise.all([endStream(stdout), endStream(stderr)]);
    return status;
  }

  async close(): Promise<void> {}
}
