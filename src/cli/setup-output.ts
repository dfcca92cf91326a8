// Where the output of the scripts goes that make new buildlets ready.
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { PrefixedLines } from './fan-out/line-prefix.ts';
import type { Terminal } from './terminal/terminal.ts';

export interface SetupOutput {
  /** What takes the output of each buildlet. `makeWay` is called before there is some. */
  of(makeWay: () => void): (buildlet: string) => Writable;
  /** Writes what is left. */
  end(): Promise<void>;
}

/** All of it goes to stderr; of several buildlets line by line, behind their names. */
export function setupOutput(
  { stderr }: Pick<Terminal, 'stderr'>,
  areSeveral: boolean,
): SetupOutput {
  const all: Writable[] = [];
  return {
    of: (makeWay) => (buildlet) => {
      makeWay();
      if (!areSeveral) return stderr;
      const lines = new PrefixedLines(stderr, `${buildlet}| `);
      all.push(lines);
      return lines;
    },
    end: async () => {
      await Promise.allSettled(all.map((lines) => finished(lines.end())));
    },
  };
}
