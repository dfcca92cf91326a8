// Contents of earlier pulls that are kept here.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { snapshot } from '../../tar/tree.ts';
import { type Kind, pushBench } from '../push-helper.ts';

const storeBytes = 64 << 20;
const [small, large] = [3_000, 2 << 20];

/** A buildlet with a tree, and what a pull into a new directory needs to use what is kept. */
async function bench(kind: Kind = {}) {
  const { there, pull, cacheDirectory } = await pushBench(kind);
  mkdirSync(join(there, 'deep/er'), { recursive: true });
  writeFileSync(join(there, 'deep/er/large'), randomBytes(large));
  writeFileSync(join(there, 'small'), randomBytes(small));
  chmodSync(join(there, 'small'), 0o755);
  writeFileSync(join(there, 'none'), '');
  const store = join(cacheDirectory, 'contents');
  const pullInto = (to: string, options = {}) => pull(to, { storeBytes, ...options });
  const pullNew = async (options = {}) => {
    const to = join(temporaryDirectory(), 'new');
    return { to, ...(await pullInto(to, options)) };
  };
  return { there, store, pullInto, pullNew };
}

const facts = (root: string): string[] =>
  snapshot(root).map((line) => line.replace(/( 4\d{4}) \d+ /, '$1 '));

describe('a pull with a store', () => {
  it('has what it has fetched before sent no more, whatever its path', async () => {
    const { there, pullNew } = await bench();
    expect(await pullNew()).toMatchObject({ files: 3, storedBytes: 0, failed: [] });
    const again = await pullNew();
    expect(again).toMatchObject({
      ...{ files: 3, bytes: small + large, storedBytes: small + large, failed: [], refused: [] },
    });
    expect(again.wireBytes).toBeLessThan(small);
    expect(facts(again.to)).toEqual(facts(there));

    mkdirSync(join(there, 'moved'));
    writeFileSync(join(there, 'moved/to'), readFileSync(join(there, 'small')));
    rmSync(join(there, 'small'));
    writeFileSync(join(there, 'new'), randomBytes(small));
    const third = await pullNew();
    expect(third).toMatchObject({ files: 4, storedBytes: small + large });
    expect(facts(third.to)).toEqual(facts(there));
  });

  it('fetches what is damaged there, and keeps it anew', async () => {
    const { there, store, pullNew } = await bench();
    await pullNew();
    for (const name of readdirSync(join(store, 'pulled'))) {
      const pack = join(store, 'pulled', name);
      if (name.endsWith('.pack')) writeFileSync(pack, readFileSync(pack).fill(0));
    }
    const damaged = await pullNew();
    expect(damaged).toMatchObject({ files: 3, storedBytes: 0, failed: [] });
    expect(facts(damaged.to)).toEqual(facts(there));
    expect(await pullNew()).toMatchObject({ storedBytes: small + large });
  });

  it('overwrites nobody’s work with it', async () => {
    const { there, pullNew, pullInto } = await bench();
    const { to } = await pullNew();
    writeFileSync(join(there, 'small'), randomBytes(small));
    const { to: other } = await pullNew();
    writeFileSync(join(to, 'small'), 'work');
    expect(await pullInto(to)).toMatchObject({ kept: ['small'], storedBytes: 0 });
    expect(readFileSync(join(to, 'small'), 'utf8')).toBe('work');
    expect(await pullInto(to, { force: true })).toMatchObject({ kept: [], storedBytes: small });
    expect(facts(to)).toEqual(facts(other));
  });

  it.each([
    ['it may keep nothing', {}, { storeBytes: undefined }],
    ['contents are to be sent', {}, { compress: 'none' }],
    ['the files are on this machine', { sharesFiles: true }, {}],
    ['the buildlet does not know their digests', { features: [] }, {}],
  ])('keeps nothing where %s', async (_where, kind, options) => {
    const { there, store, pullNew } = await bench(kind);
    await pullNew(options);
    const again = await pullNew(options);
    expect(again).toMatchObject({ files: 3, storedBytes: 0 });
    expect(facts(again.to)).toEqual(facts(there));
    expect(existsSync(store) ? readdirSync(join(store, 'pulled')) : []).toEqual([]);
  });

  it('does without one that cannot be used', async () => {
    const { there, store, pullNew } = await bench();
    writeFileSync(store, 'in the way');
    const { to, ...summary } = await pullNew();
    expect(summary).toMatchObject({ files: 3, storedBytes: 0, failed: [] });
    expect(facts(to)).toEqual(facts(there));
  });
});
