// The reply to a tree stream that names its contents: digests while files are copied, then the result.
import { createHash } from 'node:crypto';
import { GomoteError, StatusError } from '../../errors.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import {
  parseAppliedReply,
  parseApplyFailure,
  type RefusedEntry,
} from '../../protocol/tree-replies.ts';

/** The buildlet's result of a push. */
export interface Applied {
  /** The stream's proof. */
  readonly digest: string;
  /** How many files it wrote. */
  readonly files: number;
  /** How many bytes those have. */
  readonly bytes: number;
  /** The entries that it did not create. */
  readonly refused: readonly RefusedEntry[];
}

const digestLine = /^[0-9a-f]{64}$/;

/**
 * Reads the reply to its end and returns the result; undefined when it has none. `onDigest` is called for each file,
 * in the order of the stream. Throws ERR_LOST when a line is missing or wrong, or a file did not match its digest;
 * else as the buildlet failed.
 */
export async function readNamedReply(
  chunks: AsyncIterable<Uint8Array>,
  label: string,
  onDigest: (sha256: string) => void,
): Promise<Applied | undefined> {
  const proof = createHash('sha256');
  const decoder = new TextDecoder();
  let files = 0;
  let rest = '';
  let last = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > treeLimits.replyBytes) throw lost(label);
    if (lines.length > 0) last = lines.at(-1) ?? '';
    const digests = lines.filter((line) => digestLine.test(line));
    if (digests.length > 0) proof.update(`${digests.join('\n')}\n`);
    files += digests.length;
    for (const digest of digests) onDigest(digest);
  }
  if (rest !== '') last = rest;
  const failure = parseApplyFailure(last);
  if (failure?.lost) throw new GomoteError('ERR_LOST', failure.error, { hint: 'try again' });
  if (failure !== undefined) {
    const { status, error, code } = failure;
    throw new StatusError(status, error, `${label}: ${error}`, { code });
  }
  const applied = parseAppliedReply(last);
  // A failure after the reply has begun ends it early.
  if (applied === undefined && (files > 0 || last === '')) throw lost(label);
  const isWhole =
    files === 0 || (applied?.files === files && applied.lines === proof.digest('hex'));
  if (!isWhole) throw lost(label);
  return applied;
}

const lost = (label: string): GomoteError =>
  new GomoteError('ERR_LOST', `${label}: the digests of what it copied did not arrive completely`, {
    hint: 'push again',
  });
