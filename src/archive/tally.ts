// Counts and digests the bytes of a transfer as they pass.
import { createHash } from 'node:crypto';
import type { TransferTotals } from '../protocol/transfer.ts';

export class Tally {
  readonly #hash = createHash('sha256');
  #sha256: string | undefined;
  #wireBytes = 0;

  get wireBytes(): number {
    return this.#wireBytes;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#wireBytes += chunk.length;
  }

  /** What passed, together with what was in it; nothing can be added after. */
  totals({ files, bytes }: { files: number; bytes: number }): TransferTotals {
    this.#sha256 ??= this.#hash.digest('hex');
    return { files, bytes, wireBytes: this.#wireBytes, sha256: this.#sha256 };
  }
}

/** The same chunks, counted on their way. */
export async function* tallied<T extends Uint8Array>(
  source: AsyncIterable<T>,
  tally: Tally,
): AsyncGenerator<T> {
  for await (const chunk of source) {
    tally.update(chunk);
    yield chunk;
  }
}
