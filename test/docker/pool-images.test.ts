// Snapshots of the kind image at a coordinator whose machines are containers.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { CoordinatorSnapshots } from '../../src/client/coordinator-snapshots.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { docker, images } from './lab.ts';

const lines = (text: string) => text.split('\n').filter(Boolean);

/** The images of snapshots of a coordinator, which has its id in their label. */
const imagesOf = (id: string) =>
  lines(
    docker('images', '--no-trunc', '--format', '{{.ID}}', '--filter', 'label=gomote.role=snapshot'),
  ).filter((image) =>
    docker('inspect', '--format', '{{index .Config.Labels "gomote.owner"}}', image).startsWith(
      `${id}-`,
    ),
  );

interface LabOptions {
  /** More lines of the pool of containers. */
  readonly pool?: string;
  readonly sections?: string;
}

/** A coordinator with two pools of containers of one engine, and one of processes. */
function newLab({ pool = '', sections = '' }: LabOptions = {}) {
  const suffix = randomBytes(4).toString('hex');
  const [host, other] = [`h${suffix}`, `o${suffix}`];
  const toml = `
audit-to = "log"
[backends.engine]
kind = "docker"
network = "none"
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
      lines(docker('ps', '-aq', '--filter', `label=gomote.host=${name}`)),
    );
  const kept = () => imagesOf(readFileSync(join(state, 'id'), 'utf8').trim());
  onTestFinished(async () => {
    await coordinator.kill();
    for (const id of containers()) docker('rm', '-fv', id);
    for (const image of kept()) docker('rmi', '--force', image);
  });
  return { coordinator, state, containers, kept };
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

describe('a snapshot of the kind image at a coordinator', () => {
  it('begins machines of pools of that engine, for its user and those it is shared with, also after a restart', async () => {
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
    const second = await alice.createBuildlet('box', { snapshot: 'whole' });
    await (await snapshotsOf(coordinator, 'alice')).restore(second.remoteName, 'whole');
    expect(await sh(second, 'cat /opt/tool file')).toBe('installed\nwork\n');
    await until(() => containers().length === 3);

    const bobs = await snapshotsOf(coordinator, 'bob');
    const stolen = coordinator.client('bob').createBuildlet('plain', { snapshot: 'whole@alice' });
    await expect(stolen).rejects.toMatchObject({ code: 'ERR_UNKNOWN_SNAPSHOT' });
    await (await snapshotsOf(coordinator, 'alice')).share('whole', true);
    const bob = coordinator.client('bob');
    const third = await bob.createBuildlet('plain', { snapshot: 'whole@alice' });
    await bobs.restore(third.remoteName, 'whole@alice');
    expect(await sh(third, 'cat /opt/tool file')).toBe('installed\nwork\n');
    const busy = (await snapshotsOf(coordinator, 'alice')).remove('whole');
    await expect(busy).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    for (const one of [second, third]) await one.halt();
    await expect.poll(() => containers().length).toBeLessThanOrEqual(3);
    await (await snapshotsOf(coordinator, 'alice')).remove('whole');
    expect(kept()).toEqual([]);
  });
});
