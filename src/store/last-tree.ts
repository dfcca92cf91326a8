// The tree that was pushed last, named by a store that has its contents: a copy of it can be made ahead for the next machine.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { readOwnFile } from '../files/private-file.ts';
import { replaceFile } from '../files/replace-file.ts';
import { bytesOfName, nameFromBytes } from '../protocol/name-bytes.ts';
import { askedHeadBytes } from '../protocol/stored.ts';
import { decodeKnownHead, encodeKnownHead } from '../protocol/tree-change.ts';
import { decodeEntries, encodeEntries, type TreeEntry } from '../protocol/tree-entry.ts';
import type { Contents } from './contents.ts';

const fileName = 'last-tree';

/** Smaller trees are pushed as quickly as a copy is found. */
const leastEntries = 100;

/** Remembers the entries, in the order of their paths, if a copy of them is worthwhile. */
export function keepLastTree(store: Contents, entries: readonly TreeEntry[]): void {
  const { directory } = store;
  if (directory === undefined || entries.length < leastEntries) return;
  try {
    const list = bytesOfName(encodeEntries(entries));
    if (list.length > askedHeadBytes) return;
    const digest = hash('sha256', list, 'hex');
    store.put(digest, list);
    store.flush();
    replaceFile(join(directory, fileName), encodeKnownHead({ digest, size: list.length }));
  } catch {
    // Nothing is made ahead.
  }
}

/** Those of its entries whose content the store has; empty when there is no such tree. */
export function lastTree(store: Contents): TreeEntry[] {
  try {
    const known = decodeKnownHead(readOwnFile(join(store.directory ?? '', fileName)));
    const list = known && store.get(known.digest, known.size);
    const entries = (list && decodeEntries(nameFromBytes(list))) ?? [];
    return entries.filter(({ kind, digest, size }) => kind !== 'file' || store.has(digest, size));
  } catch {
    return [];
  }
}
