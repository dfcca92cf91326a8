// Snapshots of the kind image at a coordinator whose machines are containers.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { CoordinatorSnapshots } from '../../src/client/coordinator-snapshots.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { docker, dockerLines, images } from './lab.ts';

/** The images of snapshots of a coordinator, which has its id in their label. */
const imagesOf = (id: string) =>
  dockerLines('images', '-q', '--no-trunc', '--filter', 'label=gomote.role=snapshot').filter(
    (image) =>
      docker('inspect', '--format', '{{index .Config.Labels "gomote.owner"}}', image).startsWith(
        `${id}-`,
      ),
  );

interface LabOptions {
  /** More lines of the pool of containers. */
  readonly pool?: string;
  readonly sections?: string;
  /** More lines of its backend. */
  readonly engine?: string;
}

/** A coordinator with two pools of containers of one engine, and one of processes. */
function newLab({ pool = '', sections = '', engine = '' }: LabOptions = {}) {
  const suffix = randomBytes(4).toString('hex');
  const [host, other] = [`h${suffix}`, `o${suffix}`];
  const toml = `
audit-to = "log"
[backends.engine]
kind = "docker"
network = "none"
${engine}
[hosts.${host}]
image = "${images.shell}"
[hosts.${other}]
image = "${images.shell}"
docker = { user = "1234:1234" }
[hosts.process]
[builders.box]
host = "${host}"
[builders.plain]
host = "${other}"
[builders.process]
host = "process"
[pools.boxes]
kind = "backend"
backend = "engine"
host = "${host}"
maximum = 3
${pool}
[pools.others]
kind = "backend"
backend = "engine"
host = "${other}"
maximum = 1
[pools.here]
kind = "local"
host = "process"
maximum = 1
isolation = "none"
${sections}
`;
  const coordinator = new CoordinatorProcess({
    ...{ toml, users: ['alice', 'bob'], environment: { HOME: temporaryDirectory() } },
  });
  const state = join(coordinator.directory, 'state');
  const containers = () =>
    [host, other].flatMap((name) =>
      dockerLines('ps', '-aq', '--filter', `label=gomote.host=${name}`),
    );
  const kept = () => imagesOf(readFileSync(join(state, 'id'), 'utf8').trim());
  onTestFinished(async () => {
    await coordinator.kill();
    for (const id of containers()) docker('rm', '-fv', id);
    for (const image of kept()) docker('rmi', '--force', image);
  });
  /** What it knows of images that belong to no snapshot, or are being made. */
  const noted = () => readdirSync(join(state, 'snapshot-images'));
  const movePools = () => {
    const path = join(coordinator.directory, 'socket.toml');
    const ofEngine = 'kind = "backend"\nbackend = "engine"';
    const moved = readFileSync(path, 'utf8')
      .replaceAll(ofEngine, 'kind = "local"\nisolation = "none"')
      .replaceAll(/\[pools\.(?=boxes|others)/g, '[pools.other-');
    writeFileSync(path, moved);
  };
  return { coordinator, containers, kept, noted, movePools };
}

async function snapshotsOf(
  coordinator: CoordinatorProcess,
  user: string,
): Promise<CoordinatorSnapshots> {
  const found = await coordinator.client(user).snapshots();
  if (found === undefined) throw new Error('it keeps none');
  return found;
}

async function sh(client: BuildletClient, script: string): Promise<string> {
  const output = new Collector();
  await client.exec('/bin/sh', { systemLevel: true, dir: '.', args: ['-c', script], output });
  return output.text;
}

/** A way to the engine on which commits can fail, or never end. */
async function engineWithFaults() {
  const { pathname } = new URL(process.env.DOCKER_HOST ?? '');
  const faults = { commits: 0, failed: 0, held: 0 };
  const server = createServer((client) => {
    const engine = connect(pathname);
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
    }
    engine.pipe(client);
    client.on('data', (chunk: Buffer) => {
      if (!/^POST \S+\/commit\?/.test(chunk.toString('latin1'))) return void engine.write(chunk);
      const nth = ++faults.commits;
      if (nth === faults.held) return;
      if (nth !== faults.failed) return void engine.write(chunk);
      const body = JSON.stringify({ message: 'no space left on device' });
      client.end(
        `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { faults, line: `host = "tcp://127.0.0.1:${port}"` };
}

const unknown = { code: 'ERR_UNKNOWN_SNAPSHOT', status: 404 };

describe('a snapshot of the kind image at a coordinator', () => {
  it('begins machines of its host type, for its user and those it is shared with, also after a restart', async () => {
    const { coordinator, kept, containers } = newLab({ pool: 'warm = 3' });
    await coordinator.start();
    const alice = coordinator.client('alice');
    const first = await alice.createBuildlet('box');
    await sh(first, 'echo installed >/opt/tool; echo work >file');
    const own = await snapshotsOf(coordinator, 'alice');
    expect(own.keepsImages).toBe(true);
    const made = await own.create(first.remoteName, 'whole', { kind: 'image' });
    expect(made).toMatchObject({ kind: 'image', files: 1, owner: 'alice' });
    expect(kept()).toHaveLength(1);
    await coordinator.kill();
    await coordinator.start();
    // All others are ready with the image of their host type: one makes room.
    await until(() => containers().length === 3);
    const later = await snapshotsOf(coordinator, 'alice');
    const second = await alice.createBuildlet('box', { snapshot: 'whole' });
    await later.restore(second.remoteName, 'whole');
    expect(await sh(second, 'cat /opt/tool file')).toBe('installed\nwork\n');
    await sh(second, 'echo changed >/opt/tool; echo changed >file');
    await until(() => containers().length === 3);

    const bob = coordinator.client('bob');
    const bobs = await snapshotsOf(coordinator, 'bob');
    const stolen = bob.createBuildlet('box', { snapshot: 'whole@alice' });
    await expect(stolen).rejects.toMatchObject(unknown);
    await later.share('whole', true);
    const third = await bob.createBuildlet('box', { snapshot: 'whole@alice' });
    await bobs.restore(third.remoteName, 'whole@alice');
    expect(await sh(third, 'cat /opt/tool file')).toBe('installed\nwork\n');
    await expect(later.remove('whole')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    for (const one of [second, third]) await one.halt();
    await later.remove('whole');
    expect(kept()).toEqual([]);
    const gone = alice.createBuildlet('box', { snapshot: 'whole' });
    await expect(gone).rejects.toMatchObject(unknown);
  });

  it('is only for machines that begin with it', async () => {
    const { coordinator, kept } = newLab();
    await coordinator.start();
    const alice = coordinator.client('alice');
    const first = await alice.createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    await own.create(first.remoteName, 'files');
    await own.create(first.remoteName, 'whole', { kind: 'image' });
    // As a client does that knows no images.
    await expect(own.restore(first.remoteName, 'whole')).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      text: expect.stringContaining('did not begin with the image'),
    });
    const refused = async (type: string, snapshot: string, text: string) => {
      const made = alice.createBuildlet(type, { snapshot });
      await expect(made).rejects.toMatchObject({ text: expect.stringContaining(text) });
    };
    await refused('box', 'files', 'the snapshot "files" has no image of a machine');
    await refused(
      'plain',
      'whole',
      'the image of the snapshot cannot be used: it is of a machine of h',
    );
    await refused(
      'process',
      'whole',
      'the image of the snapshot cannot be used: it is of a machine of h',
    );
    for (const odd of [
      '',
      '../whole',
      'whole@',
      'a\n',
      'x'.repeat(101),
      '__proto__',
      'whole@bob',
    ]) {
      const made = alice.createBuildlet('box', { snapshot: odd });
      await expect(made).rejects.toMatchObject({
        status: expect.toSatisfy((n) => [400, 404].includes(n)),
      });
    }
    const process = await alice.createBuildlet('process');
    const impossible = own.create(process.remoteName, 'none', { kind: 'image' });
    await expect(impossible).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      text: 'the pool "here" keeps no images of machines: only the kind "files" is for it',
    });
    // @ts-expect-error: there is no such kind.
    const unknownKind = own.create(first.remoteName, 'none', { kind: 'disk' });
    await expect(unknownKind).rejects.toMatchObject({ status: 400 });
    expect((await own.list()).map(({ tag }) => tag)).toEqual(['files', 'whole']);
    // Somebody has removed it.
    docker('rmi', '--force', ...kept());
    await refused('box', 'whole', 'the image of the snapshot is no longer there');
    await own.remove('whole');
    expect((await alice.remoteBuildlets()).map(({ name }) => name)).toHaveLength(2);
  });

  it('counts, and is removed with its image when it was used least recently, unless a machine uses that', async () => {
    const limits = '[snapshots]\nsize = "10m"\nper-user = "5m"';
    const { coordinator, kept } = newLab({ sections: limits });
    await coordinator.start();
    const alice = coordinator.client('alice');
    const first = await alice.createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    const tags = async () => (await own.list()).map(({ tag }) => tag);
    await sh(first, 'head -c 2000000 /dev/urandom >/opt/big');
    const made = await own.create(first.remoteName, 'a', { kind: 'image' });
    expect(made.storedBytes).toBeGreaterThan(2_000_000);
    await own.create(first.remoteName, 'b', { kind: 'image' });
    await own.create(first.remoteName, 'c', { kind: 'image' });
    expect(await tags()).toEqual(['b', 'c']);
    expect(kept()).toHaveLength(2);
    const second = await alice.createBuildlet('box', { snapshot: 'b' });
    await own.restore(second.remoteName, 'b');
    const third = await alice.createBuildlet('box', { snapshot: 'c' });
    await own.restore(third.remoteName, 'c');
    await expect(own.create(first.remoteName, 'd', { kind: 'image' })).rejects.toMatchObject({
      code: 'ERR_QUOTA',
      text: 'snapshots that are in use leave no room for this one',
    });
    await third.halt();
    await own.create(first.remoteName, 'd', { kind: 'image' });
    expect(await tags()).toEqual(['b', 'd']);
    // What it has of the one that it began with counts, too.
    const more = await own.create(second.remoteName, 'e', { kind: 'image' });
    expect(more.storedBytes).toBeGreaterThan(2_000_000);
    await sh(first, 'head -c 6000000 /dev/urandom >/opt/big');
    const large = own.create(first.remoteName, 'f', { kind: 'image' });
    await expect(large).rejects.toMatchObject({ code: 'ERR_QUOTA' });
    await expect.poll(() => kept().length).toBe(2);
  });

  it('leaves nothing when the engine fails', async () => {
    const { faults, line } = await engineWithFaults();
    const { coordinator, kept, noted } = newLab({ engine: line });
    await coordinator.start();
    const first = await coordinator.client('alice').createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    for (const nth of [1, 2]) {
      Object.assign(faults, { commits: 0, failed: nth });
      await expect(own.create(first.remoteName, 'a', { kind: 'image' })).rejects.toMatchObject({
        text: expect.stringMatching(
          /cannot make an image of the container.*no space left on device/,
        ),
      });
      await until(() => noted().length === 0);
      expect([kept(), await own.list()]).toEqual([[], []]);
    }
    faults.failed = 0;
    await own.create(first.remoteName, 'a', { kind: 'image' });
  });

  it('leaves nothing when its client disconnects, or its coordinator is killed, and no other coordinator removes it', async () => {
    const { faults, line } = await engineWithFaults();
    const { coordinator, kept, noted } = newLab({ engine: line });
    await coordinator.start();
    const first = await coordinator.client('alice').createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    const leaving = new AbortController();
    const left = own.create(first.remoteName, 'a', { kind: 'image', signal: leaving.signal });
    await until(() => faults.commits > 0);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await until(() => noted().length === 0);
    expect([kept(), await own.list()]).toEqual([[], []]);

    Object.assign(faults, { commits: 0, held: 2 });
    const lost = own.create(first.remoteName, 'a', { kind: 'image' });
    lost.catch(() => undefined);
    await until(() => faults.commits === 2);
    await coordinator.kill();
    await expect(lost).rejects.toMatchObject({ name: 'GomoteError' });
    expect(kept()).toHaveLength(1);
    const other = newLab();
    await other.coordinator.start();
    expect(kept()).toHaveLength(1);
    await coordinator.start();
    await until(() => noted().length === 0);
    expect(kept()).toEqual([]);
    expect(await (await snapshotsOf(coordinator, 'alice')).list()).toEqual([]);
  });

  it('cannot be used once its pool has left the configuration, but be removed', async () => {
    const { coordinator, kept, movePools } = newLab();
    await coordinator.start();
    const alice = coordinator.client('alice');
    const first = await alice.createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    await own.create(first.remoteName, 'a', { kind: 'image' });
    await own.create(first.remoteName, 'b', { kind: 'image' });
    movePools();
    coordinator.signal('SIGHUP');
    await coordinator.event('reloaded');
    await expect(alice.createBuildlet('box', { snapshot: 'a' })).rejects.toMatchObject({
      text: expect.stringMatching(
        /the image of the snapshot cannot be used: no pool of h\w+ is where it is/,
      ),
    });
    await own.remove('a');
    expect(kept()).toHaveLength(1);
    await coordinator.kill();
    coordinator.launch();
    await coordinator.event('pool-open');
    await (await snapshotsOf(coordinator, 'alice')).remove('b');
    expect(coordinator.count('is left: no pool is at')).toBe(1);
    expect(kept()).toHaveLength(1);
  });

  it('leads no mount elsewhere, whatever links its owner has put into it', async () => {
    const { coordinator, containers } = newLab();
    await coordinator.start();
    const alice = coordinator.client('alice');
    const first = await alice.createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    const hide =
      'mv /opt /real; mkdir /opt; ln -s /real/gomote /opt/gomote; echo mine >/real/gomote/mine';
    // Not by the buildlet, which is in the way for a moment.
    for (const id of containers()) docker('exec', id, '/bin/sh', '-c', hide);
    await own.create(first.remoteName, 'a', { kind: 'image' });
    await expect(alice.createBuildlet('box', { snapshot: 'a' })).rejects.toMatchObject({
      text: expect.stringContaining('the image of the snapshot has a link at /opt/gomote'),
    });
    expect(containers()).toHaveLength(1);
    // Nor do files where its programs are mounted count.
    const other = await alice.createBuildlet('box');
    await sh(other, 'echo mine >/opt/gomote/mine');
    await own.create(other.remoteName, 'b', { kind: 'image' });
    const second = await alice.createBuildlet('box', { snapshot: 'b' });
    await own.restore(second.remoteName, 'b');
    expect(await sh(second, 'cat /opt/gomote/mine')).toBe('mine\n');
  });

  it('leaves rows in the audit trail', async () => {
    const { coordinator } = newLab();
    await coordinator.start();
    const first = await coordinator.client('alice').createBuildlet('box');
    const own = await snapshotsOf(coordinator, 'alice');
    await own.create(first.remoteName, 'a', { kind: 'image' });
    await own.remove('a');
    for (const event of ['created', 'removed']) {
      const row = `"event":"audit-snapshot-${event}","snapshot":"a","kind":"image","owner":"alice"`;
      expect(coordinator.count(row)).toBe(1);
    }
  });
});
