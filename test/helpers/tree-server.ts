// A buildlet that says of its tree whatever a test wants.
import { createHash, hash } from 'node:crypto';
import { bytesOfName } from '../../src/protocol/name-bytes.ts';
import { encodeChanges, literalBytes, type TreeChange } from '../../src/protocol/tree-change.ts';
import { encodeDifferences, type TreeDifference } from '../../src/protocol/tree-difference.ts';
import { encodeEntries, type TreeEntry, treeDigest } from '../../src/protocol/tree-entry.ts';
import { startOddMachine } from './odd-machine.ts';

export interface ToldTree {
  /** What the manifest says. */
  readonly entries: readonly TreeEntry[];
  /** Absent: nothing. */
  readonly differences?: readonly TreeDifference[];
  /** What comes, whatever is asked for; absent: a write of each of the entries. */
  readonly stream?: Buffer;
}

export const entryOf = (
  path: string,
  content: string | { target: string } | 'directory',
  more: Partial<TreeEntry> = {},
): TreeEntry => {
  const common = { path, mtimeMs: 1_600_000_000_000, size: 0, digest: '', target: '' };
  if (content === 'directory') return { ...common, kind: 'directory', mode: 0o755, ...more };
  if (typeof content === 'object')
    return { ...common, kind: 'symlink', mode: 0, ...content, ...more };
  const digest = hash('sha256', content, 'hex');
  return {
    ...common,
    kind: 'file',
    mode: 0o644,
    size: Buffer.byteLength(content),
    digest,
    ...more,
  };
};

/** A tree stream of one part; `contents` are of its files, in order. */
export function streamOf(
  changes: readonly TreeChange[],
  contents: readonly string[],
  { endDigest }: { endDigest?: Buffer } = {},
): Buffer {
  const head = bytesOfName(encodeChanges(changes));
  const proof = createHash('sha256');
  const digested = (bytes: Buffer | string) => {
    const digest = hash('sha256', bytes, 'buffer');
    proof.update(digest);
    return digest;
  };
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  const pieces: Buffer[] = [length, head, digested(head)];
  const files = changes.filter((change) => change.op === 'write' && change.entry.kind === 'file');
  files.forEach((change, index) => {
    const content = contents[index] ?? 'x'.repeat(literalBytes(change));
    pieces.push(Buffer.from(content), digested(content));
  });
  return Buffer.concat([...pieces, Buffer.alloc(4), endDigest ?? proof.digest()]);
}

export const writesOf = (entries: readonly TreeEntry[]): TreeChange[] =>
  entries.map((entry) => ({ op: 'write', entry }));

/** Starts it; its address, `HOST:PORT`. */
export async function serveTree({ entries, differences = [], stream }: ToldTree): Promise<string> {
  const manifest = bytesOfName(`${treeDigest(entries)} 1\0${encodeEntries(entries)}`);
  const { address } = await startOddMachine({
    '/sync/manifest': (_, response) => void response.end(manifest),
    '/sync/differences': (_, response) =>
      void response.end(bytesOfName(encodeDifferences(differences))),
    '/sync/read': (request, response) => {
      request.resume();
      request.on('end', () => response.end(stream ?? streamOf(writesOf(entries), [])));
    },
  });
  return address;
}
