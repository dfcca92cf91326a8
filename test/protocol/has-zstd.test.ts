// zstd is used only where Node sees that a frame is cut: else a part of an archive would pass for all of it.
import * as zlib from 'node:zlib';
import { expect, it } from 'vitest';
import { hasZstd, seesCutsOfZstd } from '../../src/protocol/has-zstd.ts';

it.each([
  ['20.18.1', false],
  ['22.23.3', false],
  ['24.19.0', false],
  ['24.20.0', true],
  ['25.9.0', false],
  ['26.5.1', false],
  ['26.6.0', true],
  ['28.0.0', true],
])('a Node %s that has zstd detects its cuts: %s', (node, sees) => {
  expect(seesCutsOfZstd({ ...process.versions, node, zstd: '1.5.7' })).toBe(sees);
});

it('a Node without zstd is recognized', () => {
  const { zstd: _, ...others } = process.versions as NodeJS.ProcessVersions & { zstd?: string };
  expect(seesCutsOfZstd({ ...others, node: '26.6.0' })).toBe(false);
});

it.runIf(hasZstd)('this Node refuses a frame that is cut anywhere', () => {
  const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as Record<
    'zstdCompressSync' | 'zstdDecompressSync',
    (bytes: Uint8Array) => Buffer
  >;
  const whole = zstdCompressSync(Buffer.from('hello'));
  for (let length = 1; length < whole.length; length++) {
    expect(() => zstdDecompressSync(whole.subarray(0, length)), `${length}`).toThrow(
      'unexpected end of file',
    );
  }
});
