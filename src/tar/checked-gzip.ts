// Checks an archive that comes without totals by its own checksums.
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';
import { GomoteError, messageOf } from '../errors.ts';

/**
 * Passes the bytes on. Fails with ERR_LOST unless they are complete gzip.
 *
 * @param onContent Called with what is in it; what it throws means that this is damaged.
 */
export async function* checkedGzip(
  source: AsyncIterable<Uint8Array>,
  onContent: (content: Buffer) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  let failure: Error | undefined;
  const gunzip = createGunzip({ chunkSize: 256 << 10 })
    .on('error', (error) => {
      failure ??= error;
    })
    .on('data', (content: Buffer) => {
      try {
        onContent(content);
      } catch (error) {
        gunzip.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
  const closed = new Promise<void>((resolve) => gunzip.once('close', resolve));
  const check = () => {
    if (failure === undefined) return;
    throw new GomoteError('ERR_LOST', `the archive came damaged: ${messageOf(failure)}`, {
      hint: 'transfer it again',
      cause: failure,
    });
  };
  try {
    for await (const chunk of source) {
      if (!gunzip.write(chunk)) {
        await Promise.race([once(gunzip, 'drain').catch(() => undefined), closed]);
      }
      check();
      yield chunk;
    }
    gunzip.end();
    await closed;
    check();
  } finally {
    gunzip.destroy();
  }
}
