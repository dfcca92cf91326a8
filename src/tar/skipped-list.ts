// Entries that could not be packed: all are counted, the first few are named.
import type { Skipped } from '../protocol/transfer.ts';

const maxNamed = 10;
const maxLength = 300;

export class SkippedList implements Skipped {
  count = 0;
  readonly first: string[] = [];

  readonly add = (name: string, reason: string): void => {
    this.count++;
    if (this.first.length < maxNamed) this.first.push(`${name.slice(0, maxLength)}: ${reason}`);
  };
}
