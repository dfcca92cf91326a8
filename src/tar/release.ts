// Frees large buffers at once. Otherwise they would wait for the garbage collector, which does not see their size
// and lets a hundred MB accumulate, and every new buffer would need pages that the kernel has to clear first.
import { MessageChannel } from 'node:worker_threads';

/** A buffer that is transferred to a closed port is freed. */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.close();
  return port1;
})();

/** Frees the memory of a buffer, unless it is shared. The buffer must not be used afterwards. */
export function releaseAtEnd({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const isEnd = byteLength > 0 && byteOffset + byteLength === buffer.byteLength;
  if (isEnd && buffer.byteLength > pooledBytes)
    nowhere.postMessage(undefined, [buffer as ArrayBuffer]);
}

/** Buffers that are not larger may share memory in Node's pool, whose size is not the same in all versions. */
const pooledBytes = Math.max(64 << 10, Buffer.allocUnsafe(1).buffer.byteLength);
