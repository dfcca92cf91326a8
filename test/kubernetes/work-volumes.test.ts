// Work directories on volumes, and images of them, on storage that the test plays.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Cli } from '../helpers/cli.ts';
import { ending } from '../helpers/programs.ts';
import {
  builder,
  clusterCli,
  clusterWorkshop,
  core,
  host,
  makeNamespace,
  nothingLeft,
  openBackend,
} from './cluster.ts';
import { installSnapshots, isNear, playStorage, restoreBytes } from './volumes.ts';

const namespace = await makeNamespace();
const storage = await playStorage(namespace);
const workVolume = `work-volume = { size = "1Mi", class = "${namespace}", snapshot-class = "c" }`;

const newCli = (more = '') => clusterCli(namespace, '', `${workVolume}\n${more}`);

async function created(cli: Cli, ...options: string[]): Promise<string> {
  const result = await cli(['create', ...options, 'linux']);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout.trim();
}

const sh = async (cli: Cli, name: string, script: string) =>
  await cli(['run', '--dir', '.', name, 'sh', '-c', script]);

const keepImage = async (cli: Cli, ...names: string[]) =>
  await cli(['snapshot', 'create', '--kind', 'image', ...names]);

const claims = async () => (await core.listNamespacedPersistentVolumeClaim({ namespace })).items;

describe('a work directory on a volume', () => {
  it('is a claim of its pod, and is deleted with it', async () => {
    const cli = newCli();
    const name = await created(cli);
    expect(await sh(cli, name, 'echo some >file; pwd')).toMatchObject({
      stdout: '/var/lib/gomote-volume/work\n',
    });
    const [claim] = await claims();
    expect(claim?.metadata?.ownerReferences).toMatchObject([{ kind: 'Pod', name }]);
    await cli(['destroy', name]);
    await nothingLeft(namespace);
  });

  it('can be written by commands that are not root, whose files have no other group', async () => {
    const cli = newCli(
      'template = { spec = { securityContext = { runAsUser = 1234, runAsGroup = 1234 } } }',
    );
    const name = await created(cli);
    const script = 'mkdir d; echo some >d/file; node -p "fs.statSync(\'d/file\').gid"';
    expect(await sh(cli, name, script)).toMatchObject({ code: 0, stdout: '1234\n' });
    await cli(['destroy', name]);
  });

  it('does not come up without its volume, and says why', async () => {
    const cli = clusterCli(namespace, '', 'work-volume = { size = "1Mi", class = "absent" }');
    expect(await cli(['create', 'linux'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"absent" not found'),
    });
    await nothingLeft(namespace);
  });

  it('whose pod is gone before its claim is made leaves none', async () => {
    const backend = openBackend(namespace);
    const create = new AbortController();
    const kubernetes = { ...host.kubernetes!, workVolume: { size: '1Mi', class: namespace } };
    const creation = backend.create(builder, {
      ...{ user: 'me', host: { ...host, kubernetes }, signal: create.signal },
      onProgress: () => create.abort(new Error('cancelled')),
    });
    await expect(creation).rejects.toThrow('cancelled');
    await nothingLeft(namespace);
  });
});

describe.skipIf(!isNear)('an image of a work directory', () => {
  it('is refused where the cluster keeps none, and where the work directory is on no volume', async () => {
    const cli = newCli();
    const name = await created(cli);
    expect(await keepImage(cli, name)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'the cluster has no VolumeSnapshots (snapshot.storage.k8s.io/v1)',
      ),
    });
    await cli(['destroy', name]);
    const plain = clusterCli(namespace);
    const other = await created(plain);
    expect(await keepImage(plain, other)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[hosts.host-pod.kubernetes] a work-volume = {'),
    });
    await plain(['destroy', other]);
  });
});

describe.skipIf(!isNear)('an image of a work directory, where the cluster keeps some,', () => {
  beforeAll(() => installSnapshots(namespace, storage));

  it('is a VolumeSnapshot, which later buildlets begin with', async () => {
    const cli = newCli();
    const first = await created(cli, '--label', 'of=first');
    const tree = join(cli.directory, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'pushed'), 'content');
    await cli(['push', first, tree]);
    await sh(cli, first, 'echo work >made; node -e "fs.chmodSync(\'made\', 0o751)"');
    expect(
      await cli(['snapshot', 'create', '--kind', 'image', '--exclude', 'x', first, 's']),
    ).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('an image of "k8s" has the whole work directory'),
    });
    expect(await keepImage(cli, first, 'whole')).toMatchObject({ code: 0, stdout: 'whole\n' });
    await sh(cli, first, 'echo changed >made');
    const [one] = JSON.parse((await cli(['snapshot', 'inspect', '--json', 'whole'])).stdout);
    expect(one).toMatchObject({ kind: 'image', files: 2, bytes: 12, storedBytes: restoreBytes });
    expect([...storage.snapshots.values()]).toMatchObject([
      {
        metadata: { name: one.image, labels: { role: 'snapshot', 'gomote/owner': 'me' } },
        spec: { volumeSnapshotClassName: 'c' },
      },
    ]);
    await cli(['destroy', first]);

    const second = await created(cli, '--from', 'whole');
    const [claim] = (await claims()).filter(({ metadata }) => metadata?.labels?.name === second);
    expect(claim?.spec).toMatchObject({
      dataSource: { name: one.image },
      resources: { requests: { storage: String(restoreBytes) } },
    });
    const script =
      'read a <made; echo $a; node -p "(fs.statSync(\'made\').mode & 0o777).toString(8)"';
    expect(await sh(cli, second, script)).toMatchObject({ stdout: 'work\n751\n' });
    const again = await cli(['push', '--json', second, tree]);
    expect(JSON.parse(again.stdout)).toMatchObject({ files: 0 });
    await cli(['destroy', second]);
    expect(await cli(['snapshot', 'remove', 'whole'])).toMatchObject({ code: 0, stderr: '' });
    expect([...storage.snapshots.keys()]).toEqual([]);
    await nothingLeft(namespace);
  });

  it('is not left where it fails, and the message says why', async () => {
    const cli = newCli();
    const name = await created(cli);
    const { answer } = storage;
    onTestFinished(() => {
      storage.answer = answer;
    });
    const why = 'Failed to get snapshot class with error volumesnapshotclass "c" not found';
    storage.answer = () => ({ readyToUse: false, error: { message: why } });
    expect(await keepImage(cli, name)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(new RegExp(`${why}[^]*snapshot-class in work-volume`)),
    });
    expect([...storage.snapshots.keys()]).toEqual([]);
    await cli(['destroy', name]);
  });

  it('is removed by the next snapshot when its gomote was killed, and missed when somebody removed it', async () => {
    const { answer } = storage;
    storage.answer = undefined;
    const shop = clusterWorkshop(namespace, '', workVolume);
    const name = (await shop.gomote('create', 'linux')).stdout.toString().trim();
    const keep = ['snapshot', 'create', '--kind', 'image', name];
    const killed = shop.start('gomote', [...keep, 'killed']);
    const end = ending(killed);
    await expect.poll(() => storage.snapshots.size).toBe(1);
    const [left] = storage.snapshots.keys();
    killed.kill('SIGKILL');
    await end;
    storage.answer = answer;
    expect(await shop.gomote(...keep, 's')).toMatchObject({ code: 0 });
    expect([...storage.snapshots.keys()]).toEqual([expect.not.stringMatching(left ?? '')]);
    storage.snapshots.clear();
    const refused = await shop.gomote('create', '--from', 's', 'linux');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('the image of the snapshot is no longer there'),
    ]);
    await shop.gomote('destroy', name);
    await nothingLeft(namespace);
  });
});
