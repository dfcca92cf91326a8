// Entries of a change that cannot be made: the rest is made, and the reply names them.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import { outsideLinkError } from '../../tar/archive-error.ts';
import type { TreeWriterOptions } from '../../tree/tree-writer.ts';
import type { ChangeOptions } from './jobs.ts';

type GivingUp = Pick<ChangeOptions, 'givesUpEntries' | 'replacesDirectories'>;

/** How many are named, and in how much JSON: readers of the reply take little. */
const maxNamed = 100;
const maxJson = 32 << 10;

export class Refusals {
  readonly #entries: RefusedEntry[] = [];
  #size = 0;

  get entries(): readonly RefusedEntry[] {
    return this.#entries;
  }

  /** How a writer is to go on without what it cannot make; `isNamed` tells whether contents are named. */
  options(
    { givesUpEntries, replacesDirectories }: GivingUp,
    isNamed: () => boolean,
  ): Pick<TreeWriterOptions, 'onOutsideLink' | 'onRefused' | 'replaces'> {
    if (!givesUpEntries) return {};
    return {
      replaces: replacesDirectories || 'empty',
      onOutsideLink: (entry) => this.#add(entry.path, outsideLinkError(entry.path, entry.target)),
      onRefused: (entry, error) => {
        // The reply has a line for each file that is copied, none left out: the client sends the contents instead.
        if (entry.kind === 'file' && isNamed()) throw new GomoteError('ERR_LOST', messageOf(error));
        this.#add(entry.path, error);
      },
    };
  }

  /** Takes note of one. Throws ERR_ARCHIVE when they are too many to be named. */
  #add(path: string, error: unknown): void {
    const { code, message } = isGomoteError(error)
      ? error
      : new GomoteError('ERR_LOCAL_FILE', String(error));
    const entry = { path, code, why: message.slice(0, 1000) };
    this.#size += JSON.stringify(entry).length;
    if (this.#entries.length >= maxNamed || this.#size > maxJson) {
      throw new GomoteError('ERR_ARCHIVE', `too much cannot be made there; at last ${message}`);
    }
    this.#entries.push(entry);
  }
}
