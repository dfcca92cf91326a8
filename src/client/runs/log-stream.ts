// One of the two streams in a log, as far as it has been read.
import type { Hash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { GomoteError } from '../../errors.ts';
import type { StreamSum } from '../../protocol/session.ts';

const digestOfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** A SHA-256. Node's crypto takes longer to load than a short command to run: it waits for the first byte. */
class StreamDigest {
  #hash: Hash | undefined;

  update(bytes: Uint8Array): void {
    this.#hash ??= process.getBuiltinModule('node:crypto').createHash('sha256');
    this.#hash.update(bytes);
  }

  /** In lower-case hex; to be asked once. */
  hex(): string {
    return this.#hash?.digest('hex') ?? digestOfNothing;
  }
}

export interface LogStream {
  readonly output: Writable | undefined;
  readonly digest: StreamDigest;
  /** The offset of what comes next. */
  next: number;
  lost: number;
}

/** Of what is read from elsewhere than the start, the first record tells where it is. */
export const newStream = (output: Writable | undefined, fromStart: boolean): LogStream => ({
  output,
  digest: new StreamDigest(),
  next: fromStart ? 0 : -1,
  lost: 0,
});

/** Throws ERR_LOST when it is incomplete or differs from what was written. */
export function checkStream(name: string, { next, digest }: LogStream, sum: StreamSum): void {
  if (next !== sum.bytes) {
    throw new GomoteError('ERR_LOST', `${name} came with ${next} bytes, not ${sum.bytes}`);
  }
  const found = digest.hex();
  if (found === sum.sha256) return;
  const message = `${name} came damaged: its SHA-256 is ${found}, not ${sum.sha256}`;
  throw new GomoteError('ERR_LOST', message);
}
