import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { compressHeader } from '../../src/protocol/transfer.ts';
import { decodeChanges } from '../../src/protocol/tree-change.ts';
import { decodeDifferences } from '../../src/protocol/tree-difference.ts';
import { decodeEntries } from '../../src/protocol/tree-entry.ts';
import { treeLimits } from '../../src/protocol/tree-limits.ts';
import { startOddMachine } from '../helpers/odd-machine.ts';

// Millions of entries: a while on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const { pathLength } = treeLimits;
const digest = 'ab'.repeat(32);

/** Text of entries, the first of which has these fields. */
const entry = (facts: string, path: string, extra: string) => `${facts}\0${path}\0${extra}\0`;

describe('the text of a tree', () => {
  it.each([
    ['a whole entry', entry('f 644 1 1', 'a', digest)],
    ['the digest of the base protocol', entry('f 644 1 1', 'a', digest.slice(24))],
    ['a digest that is not known', entry('f 644 1 1', 'a', '')],
    ['the longest path', entry('f 644 1 1', 'a'.repeat(pathLength), '')],
    ['the longest target', entry('l 0 0 1', 'a', 'b'.repeat(pathLength))],
    ['the greatest mode', entry('f 7777 1 1', 'a', '')],
  ])('may hold %s', (_, text) => {
    expect(decodeEntries(text)).toHaveLength(1);
    expect(decodeChanges(text)).toHaveLength(1);
  });

  it.each([
    ['a longer path', entry('f 644 1 1', 'a'.repeat(pathLength + 1), '')],
    ['a longer target', entry('l 0 0 1', 'a', 'b'.repeat(pathLength + 1))],
    ['a longer digest', entry('f 644 1 1', 'a', `${digest}00`)],
    ['a greater mode', entry('f 10000 1 1', 'a', '')],
    ['a negative size', entry('f 644 -1 1', 'a', '')],
    ['a size that is no number', entry('f 644 x 1', 'a', '')],
    ['a size too large for a number', entry('f 644 9007199254740992 1', 'a', '')],
    ['a time too large for a number', entry('f 644 1 9007199254740992', 'a', '')],
    ['a kind that there is not', entry('s 644 1 1', 'a', '')],
    ['no path', entry('f 644 1 1', '', '')],
    ['a path that climbs', entry('f 644 1 1', '../a', '')],
    ['an absolute path', entry('f 644 1 1', '/a', '')],
    ['too few fields', 'f 644 1 1\0a\0'],
    ['an end in the middle of a field', 'f 644 1 1\0a\0abc'],
    ['a second entry without an end', `${entry('f 644 1 1', 'a', '')}d 755 0 1\0b`],
    ['zeros', '\0'.repeat(1 << 20)],
  ])('may not hold %s', (_, text) => {
    expect(decodeEntries(text)).toBeUndefined();
    expect(decodeChanges(text)).toBeUndefined();
  });

  it.each([
    ['a longer path', `A\0${'a'.repeat(pathLength + 1)}\0`],
    ['another letter', 'X\0a\0'],
    ['no path', 'A\0'],
    ['no end', 'A\0a'],
  ])('of differences may not hold %s', (_, text) => {
    expect(decodeDifferences(text)).toBeUndefined();
  });

  it('holds no more entries than the limit', () => {
    const few = treeLimits.entries / 1000;
    expect(decodeEntries('d 0 0 0\0a\0\0'.repeat(few))).toHaveLength(few);
    expect(decodeEntries('d 0 0 0\0a\0\0'.repeat(treeLimits.entries + 1))).toBeUndefined();
    expect(decodeChanges('x\0a\0\0'.repeat(treeLimits.entries + 1))).toBeUndefined();
    expect(decodeDifferences('A\0a\0'.repeat(treeLimits.entries + 1))).toBeUndefined();
  });
});

describe('a reply about trees that unpacks to much more than its size', () => {
  const member = gzipSync(Buffer.alloc(8 << 20));
  const bomb = (bytes: number) => Buffer.concat(Array(bytes / (8 << 20)).fill(member));

  async function treesWith(body: Buffer) {
    const answer = (_: unknown, response: import('node:http').ServerResponse) => {
      response.setHeader(compressHeader, 'gzip');
      response.end(body);
    };
    const paths = ['state', 'manifest', 'differences', 'chunks'].map((name) => `/sync/${name}`);
    const { address } = await startOddMachine(
      Object.fromEntries(paths.map((path) => [path, answer])),
    );
    const client = new BuildletClient(address);
    onTestFinished(() => client.disconnect());
    return await client.trees();
  }

  it('is refused as soon as it exceeds the limit of a state', async () => {
    const trees = await treesWith(bomb(64 << 20));
    const state = trees.state('x', 'all', { compress: 'gzip' });
    await expect(state).rejects.toMatchObject({
      code: 'ERR_REPLY',
      message: expect.stringContaining(`more than ${treeLimits.replyBytes} bytes`),
    });
  });

  it.each(['manifest', 'differences', 'chunks'] as const)('is refused: %s', async (call) => {
    const trees = await treesWith(bomb(treeLimits.listBytes + (8 << 20)));
    const options = { compress: 'gzip' } as const;
    const asked =
      call === 'manifest'
        ? trees.manifest('x', 'all', options)
        : call === 'chunks'
          ? trees.chunks('x', 'y', options)
          : trees.differences('x', options);
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_REPLY',
      message: expect.stringContaining('more than'),
    });
  });
});
