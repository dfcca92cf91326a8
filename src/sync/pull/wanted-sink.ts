// Filters a tree stream of a buildlet: it may write the wanted entries, each once, and
// nothing else. Anything else in a part of the stream ends it before that part is applied.
import { GomoteError } from '../../errors.ts';
import { ownMode } from '../../files/file-modes.ts';
import { hasGitDirectory, whyRefused } from '../../files/foreign-name.ts';
import { quoted } from '../../printable.ts';
import { pathOf, type TreeChange, type WriteChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { pointsOutside } from '../../tar/entry-name.ts';
import type { TreeSink } from '../../tree/tree-sink.ts';
import type { TreeWriter } from '../../tree/tree-writer.ts';

interface WantedSinkOptions {
  /** The requested entries, by path; undefined: everything. */
  readonly wanted: ReadonlyMap<string, TreeEntry> | undefined;
  /** The permissions to mask out. */
  readonly umask: number;
  /** The local path of a wanted entry, if it differs. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Whether to skip an entry when everything is wanted. */
  readonly leavesOut: (path: string, isDirectory: boolean) => boolean;
  /** Called for each file that the buildlet could not read, and why. */
  readonly onFailed: (path: string, reason: string) => void;
  /** Called for each entry that is not created when everything is wanted, and why. */
  readonly onRefused: (path: string, reason: string) => void;
}

/** The local mode for an entry of a buildlet. */
export const modeHere = ({ kind, mode }: TreeEntry, umask: number): number =>
  kind === 'symlink' ? mode : ownMode(mode, umask);

export const outsideLink = 'a link that leads out';

/** Why an entry of a buildlet is not created here; undefined when it is. */
export function whyEntryRefused({ kind, path, target }: TreeEntry): string | undefined {
  const reason = whyRefused(path);
  if (reason !== undefined || kind !== 'symlink') return reason;
  if (hasGitDirectory(target)) return 'the link leads into .git';
  return pointsOutside('', { kind, path, target }) ? outsideLink : undefined;
}

export class WantedSink implements TreeSink {
  readonly #writer: TreeWriter;
  readonly #options: WantedSinkOptions;
  /** The allowed changes of the part, without refused ones. */
  #made = new Map<TreeChange, WriteChange>();
  readonly #seen = new Set<string>();

  constructor(writer: TreeWriter, options: WantedSinkOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  begin(changes: readonly TreeChange[], head: Buffer): void {
    this.#made = new Map();
    for (const change of changes) {
      const write = this.#asked(change);
      if (!this.#isTaken(write.entry)) continue;
      this.#made.set(change, { op: 'write', entry: this.#here(write.entry) });
    }
    this.#writer.begin([...this.#made.values()], head);
  }

  /** Entries that were requested by path have been checked before. */
  #isTaken(entry: TreeEntry): boolean {
    const { wanted, leavesOut, onRefused } = this.#options;
    if (wanted !== undefined) return true;
    const reason = whyEntryRefused(entry);
    if (reason !== undefined) onRefused(entry.path, reason);
    return reason === undefined && !leavesOut(entry.path, entry.kind === 'directory');
  }

  /** Throws ERR_REPLY when it was not requested. */
  #asked(change: TreeChange): WriteChange {
    const path = pathOf(change);
    const { wanted } = this.#options;
    const isAsked =
      change.op === 'write' &&
      change.patch === undefined &&
      !this.#seen.has(path) &&
      (wanted === undefined || wanted.get(path)?.kind === change.entry.kind);
    if (!isAsked) {
      const said = `the buildlet sent what was not asked for: ${quoted(path)}`;
      throw new GomoteError('ERR_REPLY', said, { hint: 'nothing of that was obeyed' });
    }
    this.#seen.add(path);
    return change;
  }

  #here(entry: TreeEntry): TreeEntry {
    const { umask, renamed } = this.#options;
    const path = renamed.get(entry.path) ?? entry.path;
    return { ...entry, path, mode: modeHere(entry, umask) };
  }

  apply(change: TreeChange): void {
    const made = this.#made.get(change);
    if (made !== undefined) this.#writer.apply(made);
  }

  trust(): void {
    this.#writer.trust();
  }

  whole(change: WriteChange, content: Buffer, sha256: string, isProved?: boolean): void {
    const made = this.#made.get(change);
    if (made !== undefined) this.#writer.whole(made, content, sha256, isProved);
  }

  /** Takes an entry that did not come from the buildlet, and could not be made, from there after all. */
  again({ path }: TreeEntry): void {
    this.#seen.delete(path);
  }

  open(change: WriteChange): void {
    const made = this.#made.get(change);
    if (made !== undefined) this.#writer.open(made);
  }

  /** The writer has no open file for a refused entry. */
  content(piece: Buffer): void {
    this.#writer.content(piece);
  }

  close(sha256: string): void {
    this.#writer.close(sha256);
  }

  giveUp(change: WriteChange, reason: string): void {
    if (!this.#made.has(change)) return;
    this.#writer.discard();
    this.#options.onFailed(change.entry.path, reason);
  }

  /** Call at the end of the stream. Reports wanted entries that did not arrive. */
  finish(): void {
    for (const path of this.#options.wanted?.keys() ?? []) {
      if (!this.#seen.has(path)) this.#options.onFailed(path, 'changed while it was read, or gone');
    }
  }
}
