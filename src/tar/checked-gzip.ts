// Checks an archive that comes without totals by its own checksums.
import { once } from 'node:events';
import { createGunzip } from 'node:zlib';
import { GomoteError, messageOf } from '../errors.ts';

/** Passes the bytes on. Fails with ERR_LOST at the end unless they were complete gzip. */
export async function* checkedGzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 256 << 10 }).resume();
  let failure: Error | undefined;
  gunzip.on('error', (error) => {
    failure = error;
  });
  const closed = new Promise<void>((resolve) => gunzip.once('close', resolve));
  try {
    for await (const chunk of source) {
      if (failure === undefined && !gunzip.write(chunk)) {
        await Promise.race([once(gunzip, 'drain').catch(() => undefined), closed]);
      }
      yield chunk;
    }
    gunzip.end();
    await closed;
    if (failure === undefined) return;
    throw new GomoteError('ERR_LOST', `the archive came damaged: ${messageOf(failure)}`, {
      hint: 'transfer it again',
      cause: failure,
    });
  } finally {
    gunzip.destroy();
  }
}
