// The changes of a tree: the head of a part of a tree stream. The contents of files follow in the same order.
import { decodeEntry, encodeEntries, Fields, isEntryPath, type TreeEntry } from './tree-entry.ts';
import { treeLimits } from './tree-limits.ts';

/** A part of a patched file: bytes of the source from `at` on, or, without `at`, bytes of the stream. */
export interface PatchPart {
  /** Where in the source. */
  readonly at?: number;
  /** In bytes. */
  readonly length: number;
}

/** A file made from parts of one that is already there. */
export interface Patch {
  /** Path of that file in the tree as it was before the changes of the same part. */
  readonly source: string;
  /** In the order of the new file. */
  readonly parts: readonly PatchPart[];
}

/** A change of one path of a tree. */
export type TreeChange =
  | {
      /** Removes a file or link, or an empty directory. */
      readonly op: 'remove';
      /** Relative to the directory of the tree. */
      readonly path: string;
    }
  | {
      /** Sets a file's permissions alone. */
      readonly op: 'mode';
      /** Relative to the directory of the tree. */
      readonly path: string;
      /** Permission bits. */
      readonly mode: number;
    }
  | {
      /** Sets a file's time alone; only for a buildlet that reports the times of what it was sent. */
      readonly op: 'time';
      /** Relative to the directory of the tree. */
      readonly path: string;
      /** In ms since 1970. */
      readonly mtimeMs: number;
    }
  | {
      /** Creates the entry, or replaces the existing one. */
      readonly op: 'write';
      /** What it becomes. */
      readonly entry: TreeEntry;
      /** How a file is made from another. Absent: from its content. */
      readonly patch?: Patch;
      /** For a file whose digest is known: whether a store has its content, or the stream. Absent: always the stream. */
      readonly content?: 'stored' | 'sent';
    };

/** A change that creates or replaces an entry. */
export type WriteChange = Extract<TreeChange, { op: 'write' }>;

export const isFileWrite = (change: TreeChange): change is WriteChange =>
  change.op === 'write' && change.entry.kind === 'file';

export const isPatch = (change: TreeChange): change is WriteChange =>
  change.op === 'write' && change.patch !== undefined;

/** The path of the change. */
export const pathOf = (change: TreeChange): string =>
  change.op === 'write' ? change.entry.path : change.path;

export function encodeChanges(changes: readonly TreeChange[]): string {
  let text = '';
  for (const change of changes) {
    if (change.op === 'remove') text += `x\0${change.path}\0\0`;
    else if (change.op === 'mode') text += `m ${change.mode.toString(8)}\0${change.path}\0\0`;
    else if (change.op === 'time') text += `t ${change.mtimeMs}\0${change.path}\0\0`;
    else if (change.content !== undefined) text += `s${encodeEntries([change.entry])}`;
    else if (change.patch === undefined) text += encodeEntries([change.entry]);
    else text += `p${encodeEntries([change.entry])}${encodePatch(change.patch)}\0`;
  }
  return text;
}

/** Reads {@link encodeChanges}; undefined when the text is invalid or exceeds the limits. The stream tells where a content is. */
export function decodeChanges(text: string): TreeChange[] | undefined {
  const fields = new Fields(text);
  const changes: TreeChange[] = [];
  while (!fields.isOver) {
    const facts = fields.next();
    const path = fields.next();
    const extra = fields.next();
    const change = facts.startsWith('p')
      ? decodePatched(facts.slice(1), path, extra, fields.next())
      : decodeChange(facts, path, extra);
    if (change === undefined || fields.isShort || changes.length === treeLimits.entries) {
      return undefined;
    }
    changes.push(change);
  }
  return changes;
}

/** A head that a store has, in place of the head itself. */
export interface KnownHead {
  readonly digest: string;
  readonly size: number;
}

export const encodeKnownHead = ({ digest, size }: KnownHead): string => `k\0${digest}\0${size}`;

/** Reads {@link encodeKnownHead}; undefined for any other text. */
export function decodeKnownHead(text: string): KnownHead | undefined {
  const [letter, digest = '', size = '', ...more] = text.split('\0', 4);
  const isOne = letter === 'k' && sha256Pattern.test(digest) && /^[0-9]{1,9}$/.test(size);
  return isOne && more.length === 0 ? { digest, size: Number(size) } : undefined;
}

const sha256Pattern = /^[0-9a-f]{64}$/;

/** Why the sender cannot continue, in place of changes. */
export const encodeFailure = (message: string): string => `e\0${message}`;

/** Reads {@link encodeFailure}; undefined when the text is not one. */
export const decodeFailure = (text: string): string | undefined =>
  text.startsWith('e\0') ? text.slice(2) : undefined;

/** The directory with the contents of all files, when the stream does not carry them. */
export interface NamedTree {
  /** Absolute, without links. */
  readonly top: string;
  /** The directory's `fileIdentity`. */
  readonly identity: string;
}

/** Marks a stream without contents, before all parts. */
export const encodeNamed = ({ top, identity }: NamedTree): string => `n\0${identity}\0${top}`;

/** Reads {@link encodeNamed}; undefined when the text is not one. */
export function decodeNamed(text: string): NamedTree | undefined {
  const [letter, identity = '', top = ''] = text.split('\0');
  return letter === 'n' && top.startsWith('/') ? { identity, top } : undefined;
}

function decodeChange(facts: string, path: string, extra: string): TreeChange | undefined {
  if (facts.startsWith('s')) {
    const entry = decodeEntry(facts.slice(1), path, extra);
    const isKnown = entry?.kind === 'file' && sha256Pattern.test(entry.digest);
    return isKnown ? { op: 'write', entry, content: 'stored' } : undefined;
  }
  if (facts === 'x') return isEntryPath(path) ? { op: 'remove', path } : undefined;
  if (facts.startsWith('m')) {
    const mode = /^m ([0-7]{1,4})$/.exec(facts)?.[1];
    if (mode === undefined || !isEntryPath(path)) return undefined;
    return { op: 'mode', path, mode: Number.parseInt(mode, 8) };
  }
  if (facts.startsWith('t')) {
    const mtimeMs = Number(/^t (-?[0-9]{1,16})$/.exec(facts)?.[1]);
    if (!Number.isSafeInteger(mtimeMs) || !isEntryPath(path)) return undefined;
    return { op: 'time', path, mtimeMs };
  }
  const entry = decodeEntry(facts, path, extra);
  return entry && { op: 'write', entry };
}

function decodePatched(
  facts: string,
  path: string,
  digest: string,
  text: string,
): TreeChange | undefined {
  const entry = decodeEntry(facts, path, digest);
  const patch = text.length <= treeLimits.patchLength ? decodePatch(text) : undefined;
  if (entry?.kind !== 'file' || patch === undefined) return undefined;
  const total = patch.parts.reduce((sum, { length }) => sum + length, 0);
  return total === entry.size ? { op: 'write', entry, patch } : undefined;
}

/** `<at>+<length>` copies, `<length>` is literal; commas between them, then a space and the source's path. */
const encodePatch = ({ source, parts }: Patch): string =>
  `${parts.map(({ at, length }) => (at === undefined ? length : `${at}+${length}`)).join(',')} ${source}`;

function decodePatch(text: string): Patch | undefined {
  const space = text.indexOf(' ');
  const parts = text.slice(0, Math.max(space, 0)).split(',').map(decodePart);
  const source = text.slice(space + 1);
  if (!isEntryPath(source) || !parts.every((part) => part !== undefined)) return undefined;
  return { source, parts };
}

function decodePart(text: string): PatchPart | undefined {
  const match = /^(?:([0-9]{1,15})\+)?([0-9]{1,15})$/.exec(text);
  if (match === null) return undefined;
  const length = Number(match[2]);
  return match[1] === undefined ? { length } : { at: Number(match[1]), length };
}

/** How many bytes of the stream a change takes: a file's content, or what its patch does not copy. */
export function literalBytes(change: TreeChange): number {
  if (!isFileWrite(change) || change.content === 'stored') return 0;
  if (change.patch === undefined) return change.entry.size;
  return change.patch.parts.reduce(
    (sum, { at, length }) => sum + (at === undefined ? length : 0),
    0,
  );
}

/** The digest for a file that its sender could not read completely; what was sent is ignored. No content has this digest. */
export const givenUpDigest: Buffer = Buffer.alloc(32);

/** Of a file whose digest is known, what stands before its content: whether that follows, or a store has it. */
export const contentMarks = { stored: 0, sent: 1 } as const;

/** Bytes of each number and digest in a tree stream: parts of a head and contents, then the end. */
export const treeStream = {
  /** Length of a part's head, as a 32-bit number, before it; 0 is the end. */
  lengthBytes: 4,
  /** SHA-256 of the head after it, of each file's content after that, and over all of those at the end. */
  digestBytes: 32,
} as const;
