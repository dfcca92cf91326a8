// Memory given back at once: what a large buffer lies in would else wait for the garbage collector, which sees little of it
// and lets a hundred MB come together, and every new buffer would be made of pages that the kernel has to clear first.
import { MessageChannel } from 'node:worker_threads';

/** What is transferred to a port whose other end is gone is freed. */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.close();
  return port1;
})();

/** Frees the memory that a buffer is the end of, if that is its own: nothing of it may be used any more. */
export function releaseAtEnd({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const isEnd = byteLength > 0 && byteOffset + byteLength === buffer.byteLength;
  if (isEnd && buffer.byteLength > pooledBytes)
    nowhere.postMessage(undefined, [buffer as ArrayBuffer]);
}

/** Smaller buffers may share their memory with others, which Node lends them out of a pool. */
const pooledBytes = 64 << 10;
