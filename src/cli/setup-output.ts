// Prints the output of setup scripts.
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { PrefixedLines } from './fan-out/line-prefix.ts';
import type { Terminal } from './terminal/terminal.ts';

interface SetupOutput {
  /** Returns an output for each buildlet. `makeWay` is called before the first output. */
  of(makeWay: () => void): (buildlet: string) => Writable;
  end(): Promise<void>;
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
