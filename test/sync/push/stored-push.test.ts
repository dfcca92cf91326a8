// Pushes through a store of contents: the second buildlet gets what the first one was sent.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildletFeatures, storeFeature } from '../../../src/protocol/features.ts';
import { ContentStore } from '../../../src/store/content-store.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { snapshot } from '../../tar/tree.ts';
import { type PushBench, pushBench } from '../push-helper.ts';

const mebibyte = 1 << 20;
const contentBytes = 3 * mebibyte + 500_000;

/** A tree of small files, of one that is taken in pieces, and of links. */
function plantIn(top: string): void {
  mkdirSync(join(top, 'small'));
  for (let count = 0; count < 50; count++) {
    writeFileSync(join(top, 'small', `${count}`), randomBytes(10_000));
  }
  writeFileSync(join(top, 'large'), randomBytes(3 * mebibyte));
  writeFileSync(join(top, 'empty'), '');
}

function newStore() {
  const options = {
    root: join(temporaryDirectory(), 'store'),
    room: 'own',
    limitBytes: 64 * mebibyte,
  };
  const at = join(options.root, options.room);
  return { options, at, packs: () => readdirSync(at).filter((name) => name.endsWith('.pack')) };
}

const wait = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** A bench whose first buildlet was sent the tree. */
async function filled() {
  const store = newStore();
  const first = await pushBench({ store: store.options });
  plantIn(first.top);
  const summary = await first.push();
  expect(summary.storedBytes).toBe(0);
  expect(summary.wireBytes).toBeGreaterThan(contentBytes);
  const second = await pushBench({ store: store.options });
  return { ...store, first, second };
}

/** Names, modes, times of files, and the beginnings of contents. */
const seen = (top: string): string[] =>
  snapshot(top).map((line) => line.replace(/ 40755 .*/, '').slice(0, 100));
const isSame = (one: PushBench, other: PushBench): void =>
  expect(seen(other.there)).toEqual(seen(one.top));

describe('a push to a buildlet whose store has the contents', () => {
  it('sends the digests once, and then not even these', async () => {
    const { first, second, options } = await filled();
    const summary = await second.push({}, first.top);
    isSame(first, second);
    expect(summary).toMatchObject({ bytes: contentBytes, storedBytes: contentBytes, files: 52 });
    expect(summary.wireBytes).toBeLessThan(20_000);
    const third = await pushBench({ store: options });
    const again = await third.push({}, first.top);
    isSame(first, third);
    expect(again.storedBytes).toBe(contentBytes);
    expect(again.wireBytes).toBeLessThan(1_000);
  });

  it('sends what is new, and ignores for it what is there already', async () => {
    const { first, second } = await filled();
    writeFileSync(join(first.top, 'new'), randomBytes(400_000));
    const summary = await second.push({}, first.top);
    isSame(first, second);
    expect(summary).toMatchObject({ bytes: contentBytes + 400_000, storedBytes: contentBytes });
    expect(summary.wireBytes).toBeGreaterThan(400_000);
    expect(await second.push({}, first.top)).toMatchObject({ bytes: 0, storedBytes: 0 });
  });

  it('leaves a tree that the next push and a pull know', async () => {
    const { first, second } = await filled();
    await second.push({}, first.top);
    rmSync(join(first.top, 'small', '7'));
    writeFileSync(join(first.top, 'small', '8'), 'other');
    expect(await second.push({}, first.top)).toMatchObject({ removed: 1, files: 1 });
    isSame(first, second);
    const to = temporaryDirectory();
    await second.pull(to);
    expect(seen(to)).toEqual(seen(first.top));
  });

  it.each(['flipped bits', 'packs without their lists', 'no packs', 'lists without their packs'])(
    'succeeds when the store has %s',
    async (damage) => {
      const { first, second, at, packs } = await filled();
      for (const name of packs()) {
        const path = join(at, name);
        const list = path.replace(/pack$/, 'list');
        const bytes = readFileSync(path);
        if (damage === 'flipped bits') {
          for (let index = 0; index < bytes.length; index += 5_000)
            bytes[index] = ~(bytes[index] ?? 0);
          writeFileSync(path, bytes);
        }
        if (damage.startsWith('packs') || damage === 'no packs') rmSync(list, { force: true });
        if (damage.startsWith('lists') || damage === 'no packs') rmSync(path);
      }
      await second.push({}, first.top);
      isSame(first, second);
      await wait(() => packs().length > 0);
      const third = await pushBench({
        store: { root: join(at, '..'), room: 'own', limitBytes: 64 * mebibyte },
      });
      const summary = await third.push({}, first.top);
      isSame(first, third);
      expect(summary.storedBytes).toBe(contentBytes);
    },
  );

  it('succeeds when the store is full, or cannot be written', async () => {
    for (const limitBytes of [2 * mebibyte, 0]) {
      const store = newStore();
      const options = { ...store.options, limitBytes };
      const first = await pushBench({ store: options });
      plantIn(first.top);
      await first.push();
      isSame(first, first);
      const second = await pushBench({ store: options });
      await second.push({}, first.top);
      isSame(first, second);
    }
  });

  it('asks nothing of a buildlet without a store', async () => {
    const { first, options } = await filled();
    const features = buildletFeatures.filter((feature) => feature !== storeFeature);
    const old = await pushBench({ features, store: options });
    const summary = await old.push({}, first.top);
    isSame(first, old);
    expect(summary).toMatchObject({ storedBytes: 0, bytes: contentBytes });
  });
});

describe('a store of one user', () => {
  it('gives another user nothing for knowing a digest', async () => {
    const { first, options } = await filled();
    const secret = readFileSync(join(first.top, 'small', '1'));
    const digest = createHash('sha256').update(secret).digest('hex');
    expect(new ContentStore(options).has(digest, secret.length)).toBe(true);
    const other = await pushBench({ store: { ...options, room: 'other' } });
    // Something of its own, so that there is a store to ask.
    writeFileSync(join(other.top, 'own'), randomBytes(300_000));
    await other.push();
    const entry = {
      kind: 'file',
      path: 'stolen',
      mode: 0o644,
      size: secret.length,
      mtimeMs: 0,
      digest,
      target: '',
    } as const;
    const changes = [{ op: 'write', entry, content: 'stored' }] as const;
    const { encodeChanges } = await import('../../../src/protocol/tree-change.ts');
    const { sendTree } = await import('../../../src/tree/tree-sender.ts');
    const head = Buffer.from(encodeChanges(changes));
    const trees = await other.client.trees();
    expect(await trees.stored(head, 1)).toEqual({ head: true, isMissing: [true] });
    const { generation } = await trees.state('tree', 'pushed');
    await expect(trees.apply('tree', generation, sendTree(other.top, changes))).rejects.toThrow(
      'the store has lost "stolen"',
    );
    expect(readdirSync(other.there)).toEqual(['own']);
  });
});
