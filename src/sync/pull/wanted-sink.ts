// Obeys a tree stream of a buildlet no further than was asked: writes of the entries that are wanted, each once, and
// nothing else. What else the stream says ends it before anything of that part is done.

import { GomoteError } from '../../errors.ts';
import { hasGitDirectory, whyRefused } from '../../files/foreign-name.ts';
import { ownMode } from '../../files/own-mode.ts';
import { quoted } from '../../printable.ts';
import { pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { pointsOutside } from '../../tar/entry-name.ts';
import type { TreeSink } from '../../tree/tree-receiver.ts';
import type { TreeWriter } from '../../tree/tree-writer.ts';

type Write = Extract<TreeChange, { op: 'write' }>;

interface WantedSinkOptions {
  /** What was asked for, by path; undefined: everything. */
  readonly wanted: ReadonlyMap<string, TreeEntry> | undefined;
  /** What of the mode's permissions is not given. */
  readonly umask: number;
  /** The path here of an entry that is wanted, if it is another. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Whether an entry of everything is left out. */
  readonly leavesOut: (path: string, isDirectory: boolean) => boolean;
  /** Called for each file that could not be read there, and why. */
  readonly onFailed: (path: string, reason: string) => void;
  /** Called for each entry of everything that is not made, and why. */
  readonly onRefused: (path: string, reason: string) => void;
}

/** The mode that an entry of a buildlet has here. */
export const modeHere = ({ kind, mode }: TreeEntry, umask: number): number =>
  kind === 'symlink' ? mode : ownMode(mode, umask);

export const outsideLink = 'a link that leads out';

/** Why an entry of a buildlet is not made here; undefined when it is. */
export function whyEntryRefused({ kind, path, target }: TreeEntry): string | undefined {
  const reason = whyRefused(path);
  if (reason !== undefined || kind !== 'symlink') return reason;
  if (hasGitDirectory(target)) return 'the link leads into .git';
  return pointsOutside('', { kind, path, target }) ? outsideLink : undefined;
}

export class WantedSink implements TreeSink {
  readonly #writer: TreeWriter;
  readonly #options: WantedSinkOptions;
  /** What is made of each change of the part; nothing of one that is refused. */
  #made = new Map<TreeChange, Write>();
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

  /** What was asked for one by one has been looked at before. */
  #isTaken(entry: TreeEntry): boolean {
    const { wanted, leavesOut, onRefused } = this.#options;
    if (wanted !== undefined) return true;
    const reason = whyEntryRefused(entry);
    if (reason !== undefined) onRefused(entry.path, reason);
    return reason === undefined && !leavesOut(entry.path, entry.kind === 'directory');
  }

  /** Throws ERR_REPLY when nobody asked for it. */
  #asked(change: TreeChange): Write {
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

  whole(change: TreeChange, content: Buffer, sha256: string): void {
    const made = this.#made.get(change);
    if (made !== undefined) this.#writer.whole(made, content, sha256);
  }

  open(change: TreeChange): void {
    const made = this.#made.get(change);
    if (made !== undefined) this.#writer.open(made);
  }

  /** The writer has no file open for what is refused. */
  content(piece: Buffer): void {
    this.#writer.content(piece);
  }

  close(sha256: string): void {
    this.#writer.close(sha256);
  }

  giveUp(change: TreeChange, reason: string): void {
    if (!this.#made.has(change)) return;
    this.#writer.discard();
    this.#options.onFailed(pathOf(change), reason);
  }

  /** Says that the stream has ended, and tells of what was wanted and did not come. */
  finish(): void {
    for (const path of this.#options.wanted?.keys() ?? []) {
      if (!this.#seen.has(path)) this.#options.onFailed(path, 'changed while it was read, or gone');
    }
  }
}
