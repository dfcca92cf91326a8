// Files cut into chunks by their content.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chunkFile } from '../../src/tree/chunks.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const kilo = 1 << 10;

/** Bytes that are always the same, and look random. */
function noise(size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, n) =>
    createHash('sha256').update(String(n)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, size);
}

function chunked(content: Buffer) {
  const path = join(temporaryDirectory(), 'f');
  writeFileSync(path, content);
  return chunkFile(path);
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('the chunks of a file', () => {
  it.each([0, 1, 16 * kilo, 3_000_000])('are all of its %i bytes', (size) => {
    const content = noise(size);
    const { chunks, ...whole } = chunked(content);
    expect(whole).toEqual({ size, sha256: sha256(content) });
    let at = 0;
    for (const { length, id } of chunks) {
      expect(id).toBe(sha256(content.subarray(at, at + length)).slice(0, 32));
      at += length;
      if (at < size) expect(length).toBeGreaterThan(16 * kilo);
      expect(length).toBeLessThanOrEqual(512 * kilo);
    }
    expect(at).toBe(size);
  });

  it('are cut at the same places by every version: both ends of the wire cut for themselves', () => {
    const lengths = chunked(noise(1_000_000)).chunks.map(({ length }) => length);
    expect(lengths).toEqual([
      174434, 24757, 22139, 38244, 23055, 63396, 31206, 53646, 36812, 54804, 35510, 45496, 66052,
      30629, 62257, 35434, 25148, 19973, 109544, 47464,
    ]);
  });

  it('stay the same beside inserted, removed or changed bytes', () => {
    const content = noise(3_000_000);
    const before = new Set(chunked(content).chunks.map(({ id }) => id));
    const [head, tail] = [content.subarray(0, 1_500_000), content.subarray(1_500_000)];
    for (const edited of [
      Buffer.concat([head, Buffer.from('new'), tail]),
      Buffer.concat([head, tail.subarray(1)]),
      Buffer.concat([head, Buffer.from([1, 2, 3]), tail.subarray(3)]),
      Buffer.concat([Buffer.from('new'), content]),
    ]) {
      const fresh = chunked(edited).chunks.filter(({ id }) => !before.has(id));
      expect(fresh.length).toBeLessThanOrEqual(3);
    }
  });
});
