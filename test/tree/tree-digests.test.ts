// The digests of files, remembered while a file stays as it was.
import { createHash } from 'node:crypto';
import { rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DigestCache } from '../../src/tree/digest-cache.ts';
import { digestKey, digestOf, digestOfFile, withDigests } from '../../src/tree/tree-digests.ts';
import { walkTree } from '../../src/tree/tree-walk.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

/** A file that has been as it is for so long that a change of it would show. */
async function settledFile(content: string) {
  const top = temporaryDirectory();
  const path = join(top, 'f');
  writeFileSync(path, content);
  utimesSync(path, 1e9, 1e9);
  const madeMs = Date.now();
  await until(() => Date.now() - madeMs > 100);
  const [entry] = walkTree(top);
  if (entry === undefined) throw new Error('the walk found nothing');
  return { top, path, entry };
}

describe('the digest of a file', () => {
  it.each([0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])(
    'is that of all of its %i bytes',
    (size) => {
      const top = temporaryDirectory();
      const content = Buffer.alloc(size, 'content');
      writeFileSync(join(top, 'f'), content);
      expect(digestOfFile(top, 'f', 'sha256')).toBe(sha256(content));
    },
  );

  it('is read once while the file stays unchanged', async () => {
    const { top, entry } = await settledFile('content');
    const cache = new DigestCache();
    expect(digestOf(top, entry, 'sha256', cache)).toBe(sha256('content'));
    expect(cache.lookup(digestKey('sha256', `${top}/f`), entry)).toBe(sha256('content'));
    // What is remembered is believed.
    const known = new DigestCache();
    known.remember(digestKey('sha256', `${top}/f`), entry, 'known', Date.now());
    expect(digestOf(top, entry, 'sha256', known)).toBe('known');
  });

  it('is unknown for a file that is gone or has become a link, and nothing is remembered', async () => {
    const { top, path, entry } = await settledFile('content');
    const cache = new DigestCache();
    rmSync(path);
    expect(digestOf(top, entry, 'sha256', cache)).toBeUndefined();
    symlinkSync('/etc/passwd', path);
    expect(digestOf(top, entry, 'sha256', cache)).toBeUndefined();
    expect(withDigests([entry], (one) => digestOf(top, one, 'sha256', cache))).toEqual([]);
    expect([...cache.entries()]).toEqual([]);
  });
});
