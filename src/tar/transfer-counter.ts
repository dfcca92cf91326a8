// Counts and hashes the bytes of a transfer.
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

  /** The totals so far, without files. */
  summary(): TransferSummary {
    const sha256 = this.#hash.copy().digest('hex');
    return { files: undefined, bytes: undefined, wireBytes: this.#wireBytes, sha256 };
  }

  /** The totals so far, with files. */
  totals({ files, bytes }: { files: number; bytes: number }): TransferTotals {
    return { ...this.summary(), files, bytes };
  }
}

/** Forwards the chunks and counts them. */
export async function* countBytes<T extends Uint8Array>(
  source: AsyncIterable<T>,
  counter: TransferCounter,
): AsyncGenerator<T> {
  for await (const chunk of source) {
    counter.update(chunk);
    yield chunk;
  }
}
