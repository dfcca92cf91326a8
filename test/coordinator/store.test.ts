// The content store of a coordinator: the second machine gets what the first one was sent, from the coordinator.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildletFeatures, storeFeature } from '../../src/protocol/features.ts';
import { encodeChanges } from '../../src/protocol/tree-change.ts';
import type { PushOptions } from '../../src/sync/push/push-options.ts';
import { sendTree } from '../../src/tree/tree-sender.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import {
  startCoordinator,
  type TestCoordinator,
  type TestCoordinatorOptions,
} from '../helpers/coordinator.ts';
import { portTo, pushTo, seen, type Way, ways } from '../helpers/stored-push.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const mebibyte = 1 << 20;
const contentBytes = 3 * mebibyte + 500_000;

function plant(): string {
  const top = temporaryDirectory();
  mkdirSync(join(top, 'small'));
  for (let count = 0; count < 50; count++) {
    writeFileSync(join(top, 'small', `${count}`), randomBytes(10_000));
  }
  writeFileSync(join(top, 'large'), randomBytes(3 * mebibyte));
  writeFileSync(join(top, 'empty'), '');
  return top;
}

/** A coordinator, and pushes to fresh machines of it. */
async function start({
  way = 'reads',
  buildlet,
  ...options
}: TestCoordinatorOptions & { way?: Way } = {}) {
  const users = { alice: {}, bob: {} };
  const buildlets = await Promise.all(Array.from({ length: 4 }, () => startBuildlet(buildlet)));
  const ports = await Promise.all(buildlets.map((each) => portTo(each, way)));
  const addresses = ports.map(({ address }) => address);
  const coordinator = await startCoordinator({ users, addresses, ...options });
  let count = 0;
  const create = async (user: string) => await coordinator.client(user).createBuildlet('linux');
  const trees = () => buildlets.map(({ workDir }) => join(workDir, 'tree'));
  return {
    coordinator,
    create,
    trees,
    /** How many bytes the machines have been sent. */
    sentBytes: () => ports.reduce((sum, { bytes }) => sum + bytes, 0),
    /** Pushes and compares what is there with what is here. */
    pushFresh: async (user: string, top: string, more: Partial<PushOptions> = {}) => {
      const before = new Set(trees().filter((tree) => isThere(tree)));
      const client = await create(user);
      const summary = await pushTo(client, top, more);
      const there = trees().find((tree) => isThere(tree) && !before.has(tree)) ?? '';
      expect(seen(there), `push ${count++}`).toEqual(seen(top));
      return summary;
    },
  };
}

const isThere = (path: string): boolean => {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
};

const storeOf = ({ directory }: TestCoordinator): string => join(directory, 'state', 'store');
const packsOf = (coordinator: TestCoordinator): string[] =>
  readdirSync(storeOf(coordinator)).flatMap((room) =>
    readdirSync(join(storeOf(coordinator), room))
      .filter((name) => name.endsWith('.pack'))
      .map((name) => join(storeOf(coordinator), room, name)),
  );

describe('a push through a coordinator', () => {
  it('to the second machine sends digests, and to the third not even these', async () => {
    const { pushFresh, coordinator } = await start();
    const top = plant();
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: 0, bytes: contentBytes });
    const second = await pushFresh('alice', top, { compress: 'gzip' });
    expect(second).toMatchObject({ storedBytes: contentBytes, bytes: contentBytes, files: 52 });
    expect(second.wireBytes).toBeLessThan(20_000);
    const third = await pushFresh('alice', top);
    expect(third.storedBytes).toBe(contentBytes);
    expect(third.wireBytes).toBeLessThan(1_000);
    await coordinator.restart();
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: contentBytes });
  });

  it('sends another user everything, unless the store is shared', async () => {
    const top = plant();
    for (const isShared of [false, true]) {
      const { pushFresh } = await start({ sections: `[store]\nshared = ${isShared}` });
      await pushFresh('alice', top);
      // Something of his own, so that there is a store to ask.
      const own = temporaryDirectory();
      writeFileSync(join(own, 'file'), randomBytes(300_000));
      await pushFresh('bob', own);
      const { storedBytes, wireBytes } = await pushFresh('bob', top);
      expect(storedBytes).toBe(isShared ? contentBytes : 0);
      expect(wireBytes > contentBytes).toBe(!isShared);
    }
  });

  it('gives nobody the content of another user for its digest', async () => {
    const { pushFresh, create, trees: places } = await start();
    const top = plant();
    await pushFresh('alice', top);
    const own = temporaryDirectory();
    writeFileSync(join(own, 'file'), randomBytes(300_000));
    const thief = await create('bob');
    await pushTo(thief, own);
    const secret = readFileSync(join(top, 'small', '1'));
    const { createHash } = await import('node:crypto');
    const digest = createHash('sha256').update(secret).digest('hex');
    const size = secret.length;
    const entry = {
      kind: 'file',
      path: 'stolen',
      mode: 0o644,
      size,
      mtimeMs: 0,
      digest,
      target: '',
    } as const;
    const changes = [{ op: 'write', entry, content: 'stored' }] as const;
    const trees = await thief.trees();
    const answer = await trees.stored(Buffer.from(encodeChanges(changes)), 1);
    expect(answer).toEqual({ head: true, isMissing: [true] });
    const { generation } = await trees.state('tree', 'pushed');
    const stolen = trees.apply('tree', generation, sendTree(own, changes));
    await expect(stolen).rejects.toThrow('the store has lost "stolen"');
    // By a head that she was asked about, nothing either.
    const listed = places().map((tree) => join(tree, 'stolen'));
    expect(listed.filter((path) => isThere(path))).toEqual([]);
  });

  it('keeps nothing when the store is off', async () => {
    const { pushFresh, coordinator } = await start({ sections: '[store]\nsize = 0' });
    const top = plant();
    await pushFresh('alice', top);
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: 0 });
    expect(isThere(storeOf(coordinator))).toBe(false);
  });

  it('sends everything to a machine without support for a store', async () => {
    const features = buildletFeatures.filter((feature) => feature !== storeFeature);
    const { pushFresh } = await start({ buildlet: { features } });
    const top = plant();
    await pushFresh('alice', top);
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: 0 });
  });

  it.each(ways)('takes the contents from the store for a machine that %s them', async (way) => {
    const { pushFresh, sentBytes } = await start({ way });
    const top = plant();
    await pushFresh('alice', top);
    for (const more of [{ compress: 'gzip' }, {}] as const) {
      const before = sentBytes();
      expect(await pushFresh('alice', top, more)).toMatchObject({ storedBytes: contentBytes });
      const bytes = sentBytes() - before;
      if (way === 'reads') expect(bytes).toBeLessThan(50_000);
      else expect(bytes).toBeGreaterThan(contentBytes);
    }
    // What is new comes in the stream, and is kept on its way.
    writeFileSync(join(top, 'new'), randomBytes(mebibyte));
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: contentBytes });
  });

  it('sends contents to a machine that may not read the store', async () => {
    const { pushFresh, sentBytes, coordinator } = await start();
    const top = plant();
    await pushFresh('alice', top);
    const [room = ''] = readdirSync(storeOf(coordinator));
    chmodSync(join(storeOf(coordinator), room), 0o755);
    const before = sentBytes();
    expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: contentBytes });
    expect(sentBytes() - before).toBeGreaterThan(contentBytes);
  });

  it.each(ways.flatMap((way) => ['flipped bits', 'no packs'].map((damage) => ({ way, damage }))))(
    'is complete when the store has $damage, and the machine $way contents',
    async (fault) => {
      const { way, damage } = fault;
      const { pushFresh, coordinator } = await start({ way });
      const top = plant();
      await pushFresh('alice', top);
      for (const path of packsOf(coordinator)) {
        const bytes = readFileSync(path);
        for (let at = 0; at < bytes.length; at += 5_000) bytes[at] = ~(bytes[at] ?? 0);
        if (damage === 'no packs') rmSync(path);
        else writeFileSync(path, bytes);
      }
      await coordinator.restart();
      await pushFresh('alice', top);
      // What was damaged was sent anew.
      expect(await pushFresh('alice', top)).toMatchObject({ storedBytes: contentBytes });
    },
  );

  it('shows in the metrics what the store saved', async () => {
    const { pushFresh, coordinator } = await start({ toml: 'open-metrics = true' });
    const top = plant();
    await pushFresh('alice', top);
    await pushFresh('alice', top);
    const text = await metricsOf(coordinator);
    expect(text).toContain('gomote_store_hits_total 52');
    expect(text).toContain('gomote_store_misses_total 52');
    expect(text).toContain(`gomote_store_saved_bytes_total ${contentBytes}`);
    expect(Number(/gomote_store_bytes ([0-9.e+]+)/.exec(text)?.[1])).toBeGreaterThan(contentBytes);
  });
});

async function metricsOf({ url }: TestCoordinator): Promise<string> {
  const { get } = await import('node:https');
  const { text } = await import('node:stream/consumers');
  return await new Promise((resolve, reject) => {
    get(`${url}/metrics`, { rejectUnauthorized: false }, (reply) => resolve(text(reply))).on(
      'error',
      reject,
    );
  });
}
