// The last lines of two streams, in the order in which they came.
import { Writable } from 'node:stream';

interface Line {
  readonly output: Writable;
  bytes: Buffer;
  isWhole: boolean;
}

export class LastLines {
  readonly #count: number;
  #lines: Line[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  stream(output: Writable): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#add(output, chunk);
        done();
      },
    });
  }

  #add(output: Writable, chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(10, at);
      const end = newline < 0 ? chunk.length : newline + 1;
      this.#addPart(output, chunk.subarray(at, end), newline >= 0);
      at = end;
    }
    // Twice as many are kept as needed, so that dropping is rare.
    if (this.#lines.length > 2 * this.#count) this.#lines = this.#lines.slice(-this.#count);
  }

  #addPart(output: Writable, part: Buffer, isWhole: boolean): void {
    const open = this.#lines.findLast((line) => line.output === output);
    if (open === undefined || open.isWhole) {
      this.#lines.push({ output, bytes: Buffer.from(part), isWhole });
    } else {
      open.bytes = Buffer.concat([open.bytes, part]);
      open.isWhole = isWhole;
    }
  }

  async print(): Promise<void> {
    for (const { output, bytes } of this.#lines.slice(-this.#count)) {
      await new Promise<void>((resolve, reject) => {
        output.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    }
  }
}
