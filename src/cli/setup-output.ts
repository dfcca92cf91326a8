// Prints the output of setup scripts.
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { PrefixedLines } from './fan-out/line-prefix.ts';
import type { Terminal } from './terminal/terminal.ts';

const newline = 0x0a;

interface SetupOutput {
  /** Returns an output for each buildlet. `makeWay` is called before the first output. */
  of(makeWay: () => void): (buildlet: string) => Writable;
  end(): Promise<void>;
}

/** Passes everything on at once, and ends an unfinished line, so that a message after it begins a line. */
class WholeLines extends Writable {
  constructor(to: Writable) {
    let isOpen = false;
    super({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0) isOpen = chunk.at(-1) !== newline;
        to.write(chunk, done);
      },
      final: (done) => {
        if (isOpen) to.write('\n', done);
        else done();
      },
    });
  }
}

/** Everything goes to stderr; with several buildlets, line by line with their names as prefixes. */
export function setupOutput(
  { stderr }: Pick<Terminal, 'stderr'>,
  areSeveral: boolean,
): SetupOutput {
  const all: Writable[] = [];
  return {
    of: (makeWay) => (buildlet) => {
      makeWay();
      const lines = areSeveral
        ? new PrefixedLines(stderr, `${buildlet}| `)
        : new WholeLines(stderr);
      all.push(lines);
      return lines;
    },
    end: async () => {
      await Promise.allSettled(all.map((lines) => finished(lines.end())));
    },
  };
}
