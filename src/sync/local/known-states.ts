// What gomote itself has pushed from and pulled into a local directory: everything else there is somebody's
// work. Stored in the cache directory: without it, more counts as somebody's work, and nothing is lost.
import { hash } from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../../files/make-directories.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { algorithmOf } from '../../protocol/tree-difference.ts';
import { decodeEntries, encodeEntries, type TreeEntry } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import type { LocalCache } from './local-cache.ts';

/** A local directory, and a directory of a work directory with its identity. */
interface Pair {
  readonly top: string;
  readonly identity: string;
  readonly dir: string;
}

/** The identity of a work directory that does not report one. */
export const unknownLife = ({ name }: { readonly name: string }): string => `name ${name}`;

/** How many states are kept for each use. */
const maxKept = 64;

type Use = 'push' | 'pull';

interface State {
  /** The digest of the whole tree, if it was pushed as a whole. */
  readonly digest: string;
  readonly entries: Map<string, TreeEntry>;
}

const nothing = (): State => ({ digest: '', entries: new Map() });

export class KnownStates {
  readonly #directory: string | undefined;
  readonly #pair: Pair;
  readonly #states = new Map<Use, State>();
  #others: readonly State[] | undefined;

  /** `directory` is where they are stored; undefined: nowhere. */
  constructor(directory: string | undefined, pair: Pair) {
    this.#directory = directory && join(directory, 'states');
    this.#pair = pair;
  }

  /** Whether the local entry was pushed to this work directory, or pulled from any. */
  has(here: FoundEntry, cache: LocalCache): boolean {
    return [this.#read('push'), this.#read('pull'), ...this.#pulledElsewhere()].some((state) => {
      const entry = state.entries.get(here.path);
      return entry !== undefined && isState(entry, here, cache);
    });
  }

  /** Whether an entry of this path was pushed to this work directory or pulled from it. */
  hadPath(path: string): boolean {
    return this.#read('push').entries.has(path) || this.#read('pull').entries.has(path);
  }

  /** Records what was pushed, a tree of this digest, and paths that were removed at both ends. */
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

  /** The digest of a state, without its entries: enough after a push that changed nothing. */
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

  /** Records what was pulled, or was equal at both ends; `isNew`: the directory was empty before. */
  savePulled(entries: readonly TreeEntry[], isNew: boolean): void {
    if (entries.length === 0) return;
    const pulled = isNew ? new Map<string, TreeEntry>() : this.#read('pull').entries;
    for (const entry of entries) pulled.set(entry.path, entry);
    this.#write('pull', [...pulled.values()]);
  }

  #read(use: Use): State {
    const state = this.#states.get(use) ?? this.#load(this.#nameOf(use));
    this.#states.set(use, state);
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
      makeDirectories(this.#directory, 0o700);
      const text = `gomote state 1\0${digest}\0${encodeEntries(entries)}`;
      replaceFile(path, bytesOfName(text));
      this.#prune(this.#directory, use);
    } catch {
      // For the next pull, more counts as somebody's work.
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

/** The maximum size of a state file's head: its magic and a digest. */
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
