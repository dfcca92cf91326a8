import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { decompressed } from '../../src/tar/decompress.ts';

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

it('decompression gives a slow reader each piece in memory of its own, as it was decompressed', async () => {
  const content = Buffer.alloc(5 << 20, 'content');
  const pieces: Buffer[] = [];
  for await (const piece of decompressed(once(gzipSync(content)))) {
    expect(piece.length).toBeLessThanOrEqual(512 << 10);
    pieces.push(piece);
    // Meanwhile as much gets ready as may be.
    await sleep(5);
  }
  expect(Buffer.concat(pieces).equals(content)).toBe(true);
  expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(pieces.length);
});
