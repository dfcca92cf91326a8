// The disk of a store or of snapshots is full: pushes continue, and nothing half-done is left.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { canMount, mounted } from '../helpers/small-disk.ts';
import { pushTo, seen } from '../helpers/stored-push.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const mebibyte = 1 << 20;

/** Some files that share packs, and one that has its own. */
function plant(): string {
  const top = temporaryDirectory();
  for (let count = 0; count < 40; count++) {
    writeFileSync(join(top, `${count}`), randomBytes(100_000));
  }
  writeFileSync(join(top, 'large'), randomBytes(7 * mebibyte));
  return top;
}

const packsIn = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.pack'));

it.skipIf(!canMount).each([
  ['holds less than the file', '6m', 0],
  ['is full but for some KiB', '12m', 11 * mebibyte],
  ['has less than a pack left', '12m', 9 * mebibyte],
])(
  'a buildlet whose store is on a disk that %s takes pushes, and stores again later',
  async (_, size, filled) => {
    const disk = mounted(size);
    const store = { root: join(disk, 'store'), room: 'own', limitBytes: 32 * mebibyte };
    if (filled > 0) writeFileSync(join(disk, 'filler'), Buffer.alloc(filled));
    const top = plant();
    for (let round = 0; round < 3; round++) {
      const buildlet = await startBuildlet({ store });
      await pushTo(clientOf(buildlet), top);
      expect(seen(join(buildlet.workDir, 'tree'))).toEqual(seen(top));
      // What did not fit has left nothing.
      for (const pack of packsIn(store.root)) {
        const list = join(store.root, pack.replace('.pack', '.list'));
        expect(statSync(list).size % 44).toBe(0);
      }
    }
    rmSync(join(disk, 'filler'), { force: true });
    rmSync(join(top, 'large'));
    const [one, other] = [await startBuildlet({ store }), await startBuildlet({ store })];
    await pushTo(clientOf(one), top);
    const { storedBytes, bytes } = await pushTo(clientOf(other), top);
    expect(seen(join(other.workDir, 'tree'))).toEqual(seen(top));
    if (size === '12m') expect(storedBytes).toBe(bytes);
  },
);

it.skipIf(!canMount)(
  'a coordinator whose disk is full passes pushes on, and stores again later',
  async () => {
    let disk = '';
    const coordinator = await startCoordinator({
      machines: 4,
      sections: '[store]\nsize = "32m"',
      prepare: (directory) => {
        disk = mounted('12m', join(directory, 'state', 'store'));
        writeFileSync(join(disk, 'filler'), Buffer.alloc(9 * mebibyte));
      },
    });
    const top = plant();
    const push = async () => {
      const client = await coordinator.client('me').createBuildlet('linux');
      const summary = await pushTo(client, top);
      const trees = coordinator.buildlets.map(({ workDir }) => join(workDir, 'tree'));
      expect(trees.filter((tree) => existsSync(tree)).map(seen)).toContainEqual(seen(top));
      await client.halt();
      return summary;
    };
    for (let round = 0; round < 2; round++) await push();
    rmSync(join(disk, 'filler'));
    rmSync(join(top, 'large'));
    await coordinator.restart();
    await push();
    const { storedBytes, bytes } = await push();
    expect(storedBytes).toBe(bytes);
  },
);

it.skipIf(!canMount)(
  'a coordinator whose disk is full keeps no half of a snapshot, and keeps the earlier ones',
  async () => {
    let disk = '';
    const coordinator = await startCoordinator({
      prepare: (directory) => {
        disk = mounted('24m', join(directory, 'state', 'snapshots'));
      },
    });
    const snapshots = await coordinator.client('me').snapshots();
    const client = await coordinator.client('me').createBuildlet('linux');
    const write = async (sizeBytes: number) =>
      await client.put(randomBytes(sizeBytes), 'file', 0o644);
    await write(8 * mebibyte);
    await snapshots?.create(client.remoteName, 'small');
    await write(20 * mebibyte);
    await expect(snapshots?.create(client.remoteName, 'large')).rejects.toMatchObject({
      text: expect.stringMatching(/disk of the coordinator is full|no space left/),
    });
    const [room = ''] = readdirSync(disk);
    expect(readdirSync(join(disk, room))).toEqual(['small']);
    const other = await coordinator.client('me').createBuildlet('linux');
    await snapshots?.restore(other.remoteName, 'small');
    await snapshots?.remove('small');
    await write(15 * mebibyte);
    expect(await snapshots?.create(client.remoteName, 'next')).toMatchObject({ tag: 'next' });
  },
);

it.skipIf(!canMount)('a snapshot on this machine is not kept if the disk is full', async () => {
  const cli = testCli();
  const state = mounted('24m');
  const run = async (...argv: string[]) =>
    await cli(argv, { environment: { XDG_STATE_HOME: state } });
  const name = (await run('create', 'local')).stdout.trim();
  const write = async (sizeBytes: number) => {
    writeFileSync(join(cli.directory, 'file'), randomBytes(sizeBytes));
    expect(await run('put', name, join(cli.directory, 'file'), 'file')).toMatchObject({ code: 0 });
  };
  await write(2 * mebibyte);
  expect(await run('snapshot', 'create', name, 'small')).toMatchObject({ code: 0 });
  await write(14 * mebibyte);
  const { code, stderr } = await run('snapshot', 'create', name, 'large');
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no space left|full/),
  });
  expect(readdirSync(join(state, 'gomote-snapshots'))).toEqual(['small']);
  expect(await run('create', '--from', 'small', 'local')).toMatchObject({ code: 0 });
  await run('destroy', '--all');
});
