// Entries of a change that cannot be created: the rest is applied, and the reply names them.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import { outsideLinkError } from '../../tar/archive-error.ts';
import type { TreeWriterOptions } from '../../tree/tree-writer.ts';
import type { ChangeOptions } from './jobs.ts';

type RefusalPolicy = Pick<ChangeOptions, 'givesUpEntries' | 'replacesDirectories'>;

/** The maximum number of named entries, and the maximum size of their JSON. */
const maxNamed = 100;
const maxJson = 32 << 10;

export class Refusals {
  readonly #entries: RefusedEntry[] = [];
  #size = 0;

  get entries(): readonly RefusedEntry[] {
    return this.#entries;
  }

  /** The options of a writer that skips entries; `isNamed` returns whether contents are named. */
  options(
    { givesUpEntries, replacesDirectories }: RefusalPolicy,
    isNamed: () => boolean,
  ): Pick<TreeWriterOptions, 'onOutsideLink' | 'onRefused' | 'replaces'> {
    if (!givesUpEntries) return {};
    return {
      replaces: replacesDirectories || 'empty',
      onOutsideLink: (entry) => this.#add(entry.path, outsideLinkError(entry.path, entry.target)),
      onRefused: (entry, error) => {
        // The reply must have a line for each copied file: the client sends the contents instead.
        if (entry.kind === 'file' && isNamed()) throw new GomoteError('ERR_LOST', messageOf(error));
        this.#add(entry.path, error);
      },
    };
  }

  /** Records one. Throws ERR_ARCHIVE when there are too many to name. */
  #add(path: string, error: unknown): void {
    const { code, message } = isGomoteError(error)
      ? error
      : new GomoteError('ERR_LOCAL_FILE', String(error));
    const entry = { path, code, why: message.slice(0, 1000) };
    this.#size += JSON.stringify(entry).length;
    if (this.#entries.length >= maxNamed || this.#size > maxJson) {
      throw new GomoteError(
        'ERR_ARCHIVE',
        `too many entries cannot be made there; the last was ${message}`,
      );
    }
    this.#entries.push(entry);
  }
}
