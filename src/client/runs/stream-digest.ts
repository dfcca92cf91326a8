// The SHA-256 of a stream. Node's crypto takes longer to load than a short command to run: it waits for the first byte.
import type { Hash } from 'node:crypto';

const digestOfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export class StreamDigest {
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
