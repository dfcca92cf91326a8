// What gomote itself has sent from a directory of this machine and brought into it: whatever else is there now is somebody's
// work. Kept where what can be lost is kept: without it, more is taken for somebody's work, and nothing is lost.

import { hash } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../files/replace-file.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { algorithmOf } from '../../protocol/tree-difference.ts';
import { decodeEntries, encodeEntries, type TreeEntry } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import type { LocalCache } from './local-cache.ts';

/** A directory here, and one of a work directory in one of its lives. */
interface Pair {
  readonly top: string;
  /** Tells the life of the work directory. */
  readonly identity: string;
  readonly dir: string;
}

/** What stands for the life of a work directory that says nothing of it. */
export const unknownLife = ({ name }: { readonly name: string }): string => `name ${name}`;

/** How many directories' states of either use are kept. */
const maxKept = 64;

type Use = 'push' | 'pull';

interface State {
  /** Of the whole tree, if it was one. */
  readonly digest: string;
  readonly entries: Map<string, TreeEntry>;
}

const nothing = (): State => ({ digest: '', entries: new Map() });

export class KnownStates {
  readonly #directory: string | undefined;
  readonly #pair: Pair;
  #pushed: State | undefined;
  #pulled: State | undefined;
  #others: readonly State[] | undefined;

  /** `directory` is where they are kept; undefined: nowhere. */
  constructor(directory: string | undefined, pair: Pair) {
    this.#directory = directory && join(directory, 'states');
    this.#pair = pair;
  }

  /** Whether what is here was pushed to this work directory, or came by a pull from any. */
  has(here: FoundEntry, cache: LocalCache): boolean {
    return [this.#read('push'), this.#read('pull'), ...this.#pulledElsewhere()].some((state) => {
      const entry = state.entries.get(here.path);
      return entry !== undefined && isState(entry, here, cache);
    });
  }

  /** Whether something has been here that was pushed to this work directory or came from it. */
  hadPath(path: string): boolean {
    return this.#read('push').entries.has(path) || this.#read('pull').entries.has(path);
  }

  /** Takes note of what was pushed, a tree of this digest, and of paths that were removed at both ends. */
  savePushed(
    digest: string,
    entries: () => readonly TreeEntry[],
    removed: readonly string[],
  ): void {
    if (this.#directory === undefined) return;
    if (digest === '' || this.#digestOf(this.#nameOf('push')) !== digest)
      this.#write('push', entries(), digest);
    if (removed.length === 0) return;
    const { entries: pulled } = this.#read('pull');
    if (!removed.some((path) => pulled.delete(path))) return;
    for (const path of removed) pulled.delete(path);
    this.#write('pull', [...pulled.values()]);
  }

  /** The digest of a state, read without its entries: after a push that changed nothing, no more is asked. */
  #digestOf(name: string): string {
    try {
      const fd = openSync(join(this.#directory ?? '', name), 'r');
      try {
        const start = Buffer.alloc(headBytes);
        return headOf(start.toString('latin1', 0, readSync(fd, start)))?.digest ?? '';
      } finally {
        closeSync(fd);
      }
    } catch {
      return '';
    }
  }

  /** Takes note of what came, or was the same at both ends; `isNew`: nothing was here before. */
  savePulled(entries: readonly TreeEntry[], isNew: boolean): void {
    if (entries.length === 0) return;
    const pulled = isNew ? new Map<string, TreeEntry>() : this.#read('pull').entries;
    for (const entry of entries) pulled.set(entry.path, entry);
    this.#write('pull', [...pulled.values()]);
  }

  #read(use: Use): State {
    const known = use === 'push' ? this.#pushed : this.#pulled;
    const state = known ?? this.#load(this.#nameOf(use));
    if (use === 'push') this.#pushed = state;
    else this.#pulled = state;
    return state;
  }

  #pulledElsewhere(): readonly State[] {
    if (this.#others !== undefined) return this.#others;
    const own = this.#nameOf('pull');
    const prefix = own.slice(0, own.lastIndexOf('-') + 1);
    const names = this.#names().filter((name) => name.startsWith(prefix) && name !== own);
    this.#others = names.map((name) => this.#load(name));
    return this.#others;
  }

  #nameOf(use: Use): string {
    const { top, identity, dir } = this.#pair;
    return `${use}-${short(top)}-${short(`${identity}\0${dir}`)}`;
  }

  #names(): string[] {
    try {
      return this.#directory === undefined ? [] : readdirSync(this.#directory);
    } catch {
      return [];
    }
  }

  #load(name: string): State {
    try {
      if (this.#directory === undefined) return nothing();
      const text = nameFromBytes(readFileSync(join(this.#directory, name)));
      const { digest, length } = headOf(text) ?? { digest: '', length: text.length };
      const entries = decodeEntries(text.slice(length));
      return { digest, entries: new Map(entries?.map((entry) => [entry.path, entry])) };
    } catch {
      return nothing();
    }
  }

  #write(use: Use, entries: readonly TreeEntry[], digest = ''): void {
    if (this.#directory === undefined) return;
    const name = this.#nameOf(use);
    const path = join(this.#directory, name);
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const text = `gomote state 1\0${digest}\0${encodeEntries(entries)}`;
      replaceFile(path, bytesOfName(text));
      this.#prune(this.#directory, use);
    } catch {
      // The next pull takes more for somebody's work.
    }
  }

  #prune(directory: string, use: Use): void {
    const names = this.#names().filter((name) => name.startsWith(`${use}-`));
    if (names.length <= maxKept) return;
    const byAge = names
      .map((name) => ({ name, ms: statSync(join(directory, name)).mtimeMs }))
      .sort((a, b) => b.ms - a.ms);
    for (const { name } of byAge.slice(maxKept)) rmSync(join(directory, name), { force: true });
  }
}

/** The longest head of a file with a state: its mark and a digest. */
const headBytes = 96;

function headOf(text: string): { digest: string; length: number } | undefined {
  const [head = '', digest = ''] = /^gomote state 1\0([0-9a-f]*)\0/.exec(text) ?? [];
  return head === '' ? undefined : { digest, length: head.length };
}

const short = (text: string): string => hash('sha256', bytesOfName(text), 'hex').slice(0, 16);

function isState(entry: TreeEntry, here: FoundEntry, cache: LocalCache): boolean {
  if (entry.kind !== here.kind || entry.target !== here.target) return false;
  if (entry.mode !== here.mode && process.platform !== 'win32') return false;
  if (entry.kind !== 'file') return true;
  if (entry.size !== here.size) return false;
  return cache.digest(here, algorithmOf(entry.digest)) === entry.digest;
}
