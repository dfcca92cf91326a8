import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { hasZstd } from '../../src/protocol/has-zstd.ts';
import { compressions } from '../../src/protocol/transfer.ts';
import { compressed } from '../../src/tar/compress.ts';
import { decompressed } from '../../src/tar/decompress.ts';
import { collect } from './raw-archive.ts';

const ours = compressions.filter((name) => hasZstd || name !== 'zstd');
const pieces = [Buffer.from('a'), Buffer.alloc(1 << 20, 'gomote'), randomBytes(1 << 20)];
const all = Buffer.concat(pieces);

test.each(ours)('%s round-trips, from available and from later pieces', async (how) => {
  for (const source of [pieces, Readable.from(pieces)]) {
    const packed = await collect(compressed(source, how, undefined));
    expect((await collect(decompressed(Readable.from([packed])))).equals(all)).toBe(true);
  }
});

test('the compression none is gzip that stores, with its checksums', async () => {
  const packed = await collect(compressed(pieces, 'none', undefined));
  expect(packed.length).toBeGreaterThan(all.length);
  expect(gunzipSync(packed).equals(all)).toBe(true);
});

test.each(ours)('a cut of %s is an error wherever anything is missing', async (how) => {
  const whole = ['hello', 'world'].map((text) => Buffer.from(text));
  const packed = await collect(compressed(whole, how, undefined));
  let errors = 0;
  for (let length = 0; length < packed.length; length++) {
    const got = await collect(decompressed(Readable.from([packed.subarray(0, length)]))).catch(
      () => undefined,
    );
    // Between two gzip members nothing is missing; after a zstd frame comes an empty one.
    if (got === undefined) errors++;
    else expect(how === 'zstd' ? 'helloworld' : 'hello', `${length}`).toBe(got.toString());
  }
  expect(errors).toBeGreaterThan(20);
});

test('a failed source leaves output that no reader takes for a complete stream', async () => {
  async function* failing(): AsyncGenerator<Buffer> {
    yield Buffer.from('hello');
    throw new Error('no more');
  }
  const got: Buffer[] = [];
  const read = async () => {
    for await (const member of compressed(failing(), 'gzip', undefined)) got.push(member);
  };
  await expect(read()).rejects.toThrow('no more');
  expect(() => gunzipSync(Buffer.concat(got))).toThrow('unexpected end of file');
});

test('a slow reader gets less to read', async () => {
  const text = Buffer.from(randomBytes(1 << 19).toString('hex'));
  const size = async (delayMs: number) => {
    let bytes = 0;
    for await (const member of compressed(Array(12).fill(text), 'gzip', undefined)) {
      bytes += member.length;
      await sleep(delayMs);
    }
    return bytes;
  };
  expect(await size(200)).toBeLessThan(await size(0));
});

test.runIf(!hasZstd)('zstd is refused where Node does not support it', () => {
  expect(() => compressed(pieces, 'zstd', undefined)).toThrow('has no zstd');
});
