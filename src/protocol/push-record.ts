// The record of what was pushed into one directory, in the work directory. Our buildlet writes it, and so does our client
// where the buildlet does not support pushes.
import { hash } from 'node:crypto';
import { encodable } from './name-bytes.ts';
import { normalizeRelativePath } from './relative-path.ts';
import { decodeEntries, encodeEntries, type TreeEntry } from './tree-entry.ts';

export interface PushRecord {
  /** Relative to the work directory, in plain form. */
  readonly dir: string;
  /** What was sent and not deleted since, with the digests: SHA-256 or SHA-1, distinguished by length. */
  readonly entries: readonly TreeEntry[];
}

/** Where the records are, relative to the work directory; each in a file named by {@link recordName}. */
export const recordsDirectory = '.gomote/push';

/** Beside them: the identity of the work directory, which changes when it is emptied. */
export const identityName = 'id';

/** The header of every reply about trees. */
export const identityHeader = 'Gomote-Tree-Id';

export const isIdentity = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

/** Written before the record of a changed tree: what an unfinished change may have created. */
export const pendingSuffix = '.pending';

export const recordName = (dir: string): string =>
  hash('sha256', encodable(dir), 'hex').slice(0, 16);

export const encodeRecord = ({ dir, entries }: PushRecord): string =>
  `gomote push 1\0${dir}\0${encodeEntries(entries)}`;

/** Reads {@link encodeRecord}; undefined when the text is not a record. */
export function decodeRecord(text: string): PushRecord | undefined {
  const match = /^gomote push 1\0([^\0]*)\0/.exec(text);
  const [start = '', dir = ''] = match ?? [];
  const entries = match === null ? undefined : decodeEntries(text.slice(start.length));
  if (entries === undefined || normalizeRelativePath(dir) !== dir) return undefined;
  return { dir, entries };
}
