// The entries of a tree: as text for the wire, and as a digest that equal trees share.
import { hash } from 'node:crypto';
import { encodable } from './name-bytes.ts';
import { compareBytes } from './relative-path.ts';
import { treeLimits } from './tree-limits.ts';

/** The algorithm of file digests: SHA-256 between our own ends, SHA-1 where they come from `/ls`. */
export type DigestAlgorithm = 'sha256' | 'sha1';

/** One file, directory or link of a tree. */
export interface TreeEntry {
  /** The kind of entry. */
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Relative, in plain form. */
  readonly path: string;
  /** Permissions with setuid, setgid and sticky; 0 for a symbolic link. */
  readonly mode: number;
  /** 0 for anything but a file. */
  readonly size: number;
  /** Whole milliseconds. */
  readonly mtimeMs: number;
  /** The digest of a file, in lower-case hex; empty while unknown. */
  readonly digest: string;
  /** The target of a symbolic link; else empty. */
  readonly target: string;
}

const letters = { file: 'f', directory: 'd', symlink: 'l' } as const;
const kinds: ReadonlyMap<string, TreeEntry['kind']> = new Map([
  ['f', 'file'],
  ['d', 'directory'],
  ['l', 'symlink'],
]);

/**
 * SHA-256 over kind, mode, path and content of every entry, which must be in the order of {@link comparePaths}. Times do
 * not count.
 */
export function treeDigest(entries: readonly TreeEntry[]): string {
  let text = '';
  for (const { kind, mode, path, digest, target } of entries) {
    text += `${letters[kind]}${mode} ${digest}${target}\0${path}\0`;
  }
  return hash('sha256', encodable(text), 'hex');
}

/** SHA-256 over the times of the files, in order. */
export const timesDigest = (entries: readonly TreeEntry[]): string =>
  hash(
    'sha256',
    entries.map(({ kind, mtimeMs }) => (kind === 'file' ? `${mtimeMs}\0` : '')).join(''),
    'hex',
  );

/** Depth-first order, each directory sorted by name as bytes. */
export function comparePaths(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (a.charCodeAt(at) === slash) return at < b.length ? -1 : 1;
  if (b.charCodeAt(at) === slash) return at < a.length ? 1 : -1;
  return compareBytes(a.slice(at), b.slice(at));
}

const slash = 0x2f;

/** Three fields for each entry, each ended by a NUL: `<letter> <mode> <size> <mtime>`, the path, and digest or target. */
export function encodeEntries(entries: readonly TreeEntry[]): string {
  let text = '';
  for (const { kind, mode, size, mtimeMs, path, digest, target } of entries) {
    text += `${letters[kind]} ${mode.toString(8)} ${size} ${mtimeMs}\0${path}\0${digest}${target}\0`;
  }
  return text;
}

/** Reads {@link encodeEntries}; undefined when the text is invalid or exceeds the limits. */
export function decodeEntries(text: string): TreeEntry[] | undefined {
  const fields = new Fields(text);
  const entries: TreeEntry[] = [];
  while (!fields.isOver) {
    const entry = decodeEntry(fields.next(), fields.next(), fields.next());
    if (entry === undefined || fields.isShort || entries.length === treeLimits.entries) {
      return undefined;
    }
    entries.push(entry);
  }
  return entries;
}

/** Reads NUL-terminated texts. Stops at the first invalid one, so that only valid data is held in memory. */
export class Fields {
  readonly #text: string;
  #at = 0;
  #isShort = false;

  constructor(text: string) {
    this.#text = text;
  }

  get isOver(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Whether a requested text was missing. */
  get isShort(): boolean {
    return this.#isShort;
  }

  next(): string {
    const end = this.#text.indexOf('\0', this.#at);
    if (end < 0) {
      this.#isShort = true;
      this.#at = this.#text.length;
      return '';
    }
    const field = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return field;
  }
}

/** Reads the three fields of an entry; undefined when they are invalid. */
export function decodeEntry(facts: string, path: string, extra: string): TreeEntry | undefined {
  const modeAt = facts.indexOf(' ') + 1;
  const sizeAt = facts.indexOf(' ', modeAt) + 1;
  const mtimeAt = facts.indexOf(' ', sizeAt) + 1;
  const kind = kinds.get(facts.slice(0, modeAt - 1));
  if (kind === undefined || sizeAt === 0 || mtimeAt === 0 || !isEntryPath(path)) return undefined;
  const mode = Number.parseInt(facts.slice(modeAt, sizeAt), 8);
  const size = Number(facts.slice(sizeAt, mtimeAt));
  const mtimeMs = Number(facts.slice(mtimeAt));
  if (!(mode >= 0 && mode <= 0o7777 && size >= 0)) return undefined;
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(mtimeMs)) return undefined;
  const isFile = kind === 'file';
  const isWithin = path.length <= treeLimits.pathLength && extra.length <= treeLimits.pathLength;
  if (!isWithin || (isFile && extra.length > maxDigestLength)) return undefined;
  return {
    kind,
    path,
    mode,
    size,
    mtimeMs,
    digest: isFile ? extra : '',
    target: isFile ? '' : extra,
  };
}

/** SHA-256's, in hex. */
const maxDigestLength = 64;

/** Whether the path is below a directory, in plain form. */
export const isEntryPath = (path: string): boolean => !notPlain.test(path);

/** Matches a NUL, or an element that is empty, `.` or `..`; faster than normalizing each of many paths. */
const notPlain = /\0|(?:^|\/)\.{0,2}(?:\/|$)/;
