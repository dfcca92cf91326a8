// Of what a push sends, a store on the way may have the contents: they are asked for by their digests first.
import { bytesOfName } from '../../protocol/name-bytes.ts';
import type { StoredAnswer } from '../../protocol/stored.ts';
import { askedHeadBytes } from '../../protocol/stored.ts';
import {
  encodeChanges,
  isFileWrite,
  literalBytes,
  pathOf,
  type TreeChange,
  type WriteChange,
} from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';

/** Less than that is sent sooner than asked about. */
const askedBytes = 256 << 10;

interface StoredOptions {
  /** A file's digest; undefined when it has gone. */
  readonly digestOf: (entry: TreeEntry) => string | undefined;
  /** Asks the store about a head with this many files of known digests. */
  readonly ask: (head: Buffer, files: number) => Promise<StoredAnswer>;
}

interface StoredChanges {
  readonly changes: readonly TreeChange[];
  /** Whether the store has the head of these changes, which is then only named. */
  readonly isHeadKnown: boolean;
}

/** The changes, with where the contents of files are, if it is worth asking. */
export async function withStored(
  changes: readonly TreeChange[],
  { digestOf, ask }: StoredOptions,
): Promise<StoredChanges> {
  const unasked = { changes, isHeadKnown: false };
  const bytes = changes.reduce((sum, change) => sum + literalBytes(change), 0);
  if (bytes < askedBytes) return unasked;
  const asked = changes.map((change): TreeChange => {
    if (!isWholeFile(change)) return change;
    const digest = digestOf(change.entry);
    if (digest === undefined) return change;
    return { op: 'write', entry: { ...change.entry, digest }, content: 'sent' };
  });
  const head = bytesOfName(encodeChanges(asked));
  if (head.length > askedHeadBytes) return unasked;
  const files = asked.filter((change) => change.op === 'write' && change.content !== undefined);
  const answer = await ask(head, files.length);
  let next = 0;
  const answered = asked.map((change): TreeChange => {
    if (change.op !== 'write' || change.content === undefined) return change;
    return answer.isMissing[next++] === false ? { ...change, content: 'stored' } : change;
  });
  return { changes: answered, isHeadKnown: answer.head };
}

/** Whether more of a tree that is made ahead stays than goes, of `count` entries here: a push has to wait for all of it. */
export function isOfUse(
  { here, there }: { here: readonly TreeEntry[]; there: readonly TreeEntry[] },
  count: number,
): boolean {
  const sizes = new Map(here.map(({ path, size }) => [path, size]));
  const kept = there.filter(({ path, size }) => sizes.get(path) === size).length;
  return count - here.length + kept > there.length - kept;
}

/** The changes that make the whole tree: what is left of one that was made ahead counts as taken from the store. */
export function withPrepared(
  entries: readonly TreeEntry[],
  changes: readonly TreeChange[],
): TreeChange[] {
  const sent = new Map(changes.map((change) => [pathOf(change), change]));
  return entries.map((entry) => {
    const change = sent.get(entry.path);
    return change?.op === 'write' ? change : { op: 'write', entry, content: 'stored' };
  });
}

/** Whether a store has the content, so that it is not sent. */
export const isStored = (change: TreeChange): change is WriteChange =>
  change.op === 'write' && change.content === 'stored';

const isWholeFile = (change: TreeChange): change is WriteChange =>
  isFileWrite(change) && change.patch === undefined;
