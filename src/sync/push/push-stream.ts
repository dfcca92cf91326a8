// The tree stream of a push, with the contents of files or without, and the digests that come of it either way.

import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { TreeSender } from '../../tree/tree-sender.ts';
import type { TreeUpdate } from '../remote/remote-tree.ts';

export type PushStream = Pick<TreeUpdate, 'pieces' | 'proof' | 'onDigest'>;

export type Parts = Iterable<readonly TreeChange[]> | AsyncIterable<readonly TreeChange[]>;

interface PushStreamOptions {
  /** Whether contents are named, not sent. */
  readonly isNamed: boolean;
  readonly signal: AbortSignal;
  /** Called with the SHA-256 of each file as it is sent, or copied there. */
  readonly onDigest: (entry: TreeEntry, sha256: string) => void;
  /** Called for a file that cannot be read, before that is thrown. */
  readonly onUnread: (path: string, error: unknown) => void;
  /** Called when all digests are known. */
  readonly onEnd: () => void;
}

/** The stream of the changes to the tree at `top`; its pieces are there once. */
export function pushStream(
  { top }: { readonly top: string },
  parts: Parts,
  options: PushStreamOptions,
): PushStream {
  const { isNamed, signal, onDigest, onUnread, onEnd } = options;
  let proof = '';
  /** Files whose digests are still to come, those of a named stream. */
  const due: TreeEntry[] = [];
  let known = 0;
  let isOver = false;
  const endIfOver = () => {
    if (isOver && known === due.length) onEnd();
  };
  const sender = new TreeSender(top, {
    isNamed,
    onUnread,
    onProof: (sha256) => {
      proof = sha256;
    },
    onDigest,
  });
  const pieces = (async function* () {
    for await (const changes of parts) {
      for (const change of isNamed ? changes : []) {
        if (change.op === 'write' && change.entry.kind === 'file') due.push(change.entry);
      }
      for (const piece of sender.part(changes)) {
        yield piece;
        signal.throwIfAborted();
      }
    }
    yield* sender.end();
    isOver = true;
    endIfOver();
  })();
  const named = (sha256: string) => {
    const entry = due[known++];
    if (entry !== undefined) onDigest(entry, sha256);
    endIfOver();
  };
  return { pieces: () => pieces, proof: () => proof, ...(isNamed && { onDigest: named }) };
}
