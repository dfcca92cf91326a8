// Counts and digests the bytes of a transfer as they pass.
import { createHash } from 'node:crypto';
import type { TransferSummary, TransferTotals } from '../protocol/transfer.ts';

export class TransferCounter {
  readonly #hash = createHash('sha256');
  #wireBytes = 0;

  get wireBytes(): number {
    return this.#wireBytes;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#wireBytes += chunk.length;
  }

  /** What has passed so far, without what was in it. */
  summary(): TransferSummary {
    const sha256 = this.#hash.copy().digest('hex');
    return { files: undefined, bytes: undefined, wireBytes: this.#wireBytes, sha256 };
  }

  /** What has passed so far, together with what was in it. */
  totals({ files, bytes }: { files: number; bytes: number }): TransferTotals {
    return { ...this.summary(), files, bytes };
  }
}

/** The same chunks, counted on their way. */
export async function* countBytes<T extends Uint8Array>(
  source: AsyncIterable<T>,
  counter: TransferCounter,
): AsyncGenerator<T> {
  for await (const chunk of source) {
    counter.update(chunk);
    yield chunk;
  }
}
