// Standard input read once, for a command that runs on several buildlets: each of them gets all of it.
import { Readable } from 'node:stream';
import { broadcast } from '../../sync/push/broadcast.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** The input for each of `count` parts. Release a part that has ended, because the others wait for the slowest. */
export function sharedInput(
  terminal: Terminal,
  count: number,
): { part: (index: number) => Terminal['stdin']; release: (index: number) => void } {
  let outputs: ReturnType<typeof broadcast<Buffer>> | undefined;
  const parts = new Map<number, Readable>();
  const over = new Set<number>();
  const open = () => {
    if (outputs !== undefined) return outputs;
    outputs = broadcast<Buffer>(terminal.stdin, count);
    for (const index of over) outputs[index]?.release();
    return outputs;
  };
  return {
    part: (index) => {
      const known = parts.get(index);
      if (known !== undefined) return known;
      const output = open()[index];
      const part = Readable.from(output ?? [], { objectMode: false });
      part.on('close', () => output?.release());
      parts.set(index, part);
      return part;
    },
    release: (index) => {
      over.add(index);
      parts.get(index)?.destroy();
      outputs?.[index]?.release();
    },
  };
}
