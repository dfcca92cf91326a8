// The command line as a program against the fake Compute API, with the default credentials of a machine of Google's.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fakeCompute, project, vmPort, zoneA, zoneF } from '../helpers/compute/fixture.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { times } from '../helpers/counts.ts';
import { startMetadataServer } from '../helpers/metadata-server.ts';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';
import { withoutProgress } from '../helpers/progress.ts';

async function cloud(backend = '') {
  const fake = await fakeCompute();
  fake.token = 'of-the-machine';
  const metadata = await startMetadataServer({}, fake.token);
  onTestFinished(() => metadata.close());
  const { directory, start, environment } = workshop();
  const config = join(directory, '.config/gomote');
  mkdirSync(config, { recursive: true });
  writeFileSync(
    join(config, 'config.toml'),
    `default = "vms"
     [backends.vms]
     kind = "gce"
     project = "${project}"
     zones = ["${zoneA}", "${zoneF}"]
     endpoint = "${fake.endpoint}"
     port = ${vmPort}
     ${backend}
     [hosts.host-linux.gce]
     image = "linux-buildlet"
     machine-type = "n1-standard-1"
     [builders.linux]
     host = "host-linux"
     env = ["COLOR=blue"]
    `,
  );
  const env = {
    ...environment,
    GCE_METADATA_HOST: metadata.host,
    METADATA_SERVER_DETECTION: 'assume-present',
  };
  const begin = (...args: string[]) => start('gomote', args, { env });
  return { fake, begin, gomote: async (...args: string[]) => await ending(begin(...args)) };
}

describe('gomote on virtual machines', () => {
  it('creates, lists, uses and destroys one', async () => {
    const { fake, gomote } = await cloud();
    const created = await gomote('create', 'linux');
    expect(withoutProgress(created.stderr)).toBe('');
    const name = created.stdout.toString().trim();
    expect(name).toMatch(/^me-linux-[a-z0-9]{5}$/);
    const listed = await gomote('list');
    expect(listed.stdout.toString()).toMatch(
      new RegExp(`^${name}\\tlinux\\texpires in (29m|30m)[0-9]+s\n$`),
    );
    const script = 'echo $COLOR; exit 7';
    const ran = await gomote('run', name, '/bin/sh', '-c', script);
    expect(ran).toMatchObject({ code: 7, stdout: Buffer.from('blue\n') });
    expect((await gomote('reap')).stdout.toString()).toBe('');
    expect(await gomote('destroy', name)).toMatchObject({ code: 0, stderr: '' });
    await until(() => fake.api.instances.length === 0);
    const again = await gomote('run', name, 'true');
    expect(again.code).toBe(125);
    expect(again.stderr).toMatch(`gomote: vms: no buildlet "${name}"; it may have expired`);
  });

  it('has caches on disks where the backend has some, each for one machine at a time', async () => {
    const without = await cloud();
    const option = ['--cache', 'npm:.npm,mode=exclusive'];
    const refused = await without.gomote('create', ...option, 'linux');
    expect(refused.stderr).toContain('the backend "vms" keeps no caches');
    expect(without.fake.api.instances).toEqual([]);

    const { fake, gomote } = await cloud('caches = { size = "20g" }');
    // No machine here has the disk, which a real one mounts.
    fake.api.plan.machine = () => 'here';
    const shared = await gomote('create', '--cache', 'npm:.npm', 'linux');
    expect(shared.stderr).toContain('give it mode = "exclusive"');
    const created = await gomote('create', ...option, 'linux');
    const name = created.stdout.toString().trim();
    expect((await gomote('cache', 'list')).stdout.toString()).toBe(`npm\tvms\t21.5 GB\t${name}\n`);
    const again = await gomote('create', ...option, 'linux');
    expect(again.stderr).toContain(`the cache "npm" is in use by ${name}`);
    await gomote('destroy', name);
    await until(() => fake.api.instances.length === 0);
    expect(await gomote('cache', 'purge')).toMatchObject({ code: 0, stderr: '' });
    expect(fake.api.disks.all.size).toBe(0);
  });

  it('begins with an image of another one', async () => {
    const { fake, gomote } = await cloud();
    const create = async (...args: string[]) => {
      const ended = await gomote('create', ...args);
      expect(ended.code).toBe(0);
      return ended.stdout.toString().trim();
    };
    const name = await create('linux');
    await gomote('run', '--dir', '.', name, '/bin/sh', '-c', 'echo kept >file; echo secret >other');
    const made = await gomote(
      ...['snapshot', 'create', '--kind', 'image', '--exclude', 'other', name, 'whole'],
    );
    expect(made).toMatchObject({ code: 0, stdout: Buffer.from('whole\n') });
    const [image = ''] = fake.api.images.keys();
    const other = await create('--from', 'whole');
    const [, second] = fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
    const sourceImage = `projects/${project}/global/images/${image}`;
    expect(second?.body).toMatchObject({ disks: [{ initializeParams: { sourceImage } }] });
    expect((await gomote('ls', other)).stdout.toString()).toMatch(/^[^\n]*file[^\n]*\n$/);
    expect(await gomote('snapshot', 'remove', 'whole')).toMatchObject({ code: 0 });
    expect(fake.api.images.size).toBe(0);
    await gomote('destroy', name, other);
  });

  it('begins with an image of another one at a coordinator, which removes the image with its snapshot', async () => {
    const fake = await fakeCompute();
    fake.token = 'of-the-machine';
    const metadata = await startMetadataServer({}, fake.token);
    onTestFinished(() => metadata.close());
    const toml = `
      [backends.vms]
      kind = "gce"
      project = "${project}"
      zones = ["${zoneA}"]
      endpoint = "${fake.endpoint}"
      port = ${vmPort}
      [hosts.host-linux.gce]
      image = "linux-buildlet"
      machine-type = "n1-standard-1"
      [builders.linux]
      host = "host-linux"
      [pools.vms]
      kind = "backend"
      backend = "vms"
      host = "host-linux"
      maximum = 3`;
    const coordinator = new CoordinatorProcess({
      toml,
      environment: {
        GCE_METADATA_HOST: metadata.host,
        METADATA_SERVER_DETECTION: 'assume-present',
      },
    });
    await coordinator.start();
    const client = coordinator.client();
    const snapshots = await client.snapshots();
    const { name } = await client.requestBuildlet('linux');
    await snapshots?.create(name, 'whole', { kind: 'image' });
    const [image = ''] = fake.api.images.keys();
    const { name: other } = await client.requestBuildlet('linux', { snapshot: 'whole' });
    const sourceImage = `projects/${project}/global/images/${image}`;
    const [, second] = fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
    expect(second?.body).toMatchObject({ disks: [{ initializeParams: { sourceImage } }] });
    await snapshots?.restore(other, 'whole');
    await snapshots?.remove('whole');
    expect(fake.api.images.size).toBe(0);
    for (const each of [name, other]) await client.namedBuildlet(each).halt();
    await until(() => fake.api.instances.length === 0);
  });

  it('reports when the machine is taken away while a command runs', async () => {
    const { fake, begin, gomote } = await cloud();
    const name = (await gomote('create', 'linux')).stdout.toString().trim();
    const child = begin('run', name, '/bin/sh', '-c', 'echo started; exec sleep 60');
    child.stdout!.once('data', () => void fake.api.machineOf(zoneA, name)!.kill());
    const { code, stdout, stderr } = await ending(child);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 125, stdout: 'started\n' });
    expect(stderr).toMatch(`the machine of "${name}" is stopped; remove what is left of it`);
  });

  it('makes many at once or none, within the limit of calls', async () => {
    const { fake, gomote } = await cloud('api-rate = 20');
    const count = times(5, 100);
    fake.api.plan.machine = () => 'here';
    let asked = 0;
    fake.api.plan.insertError = () =>
      ++asked === count ? { code: 'QUOTA_EXCEEDED', message: "Quota 'CPUS' exceeded" } : undefined;
    const refused = await gomote('create', '--count', String(count), 'linux');
    expect(refused).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(refused.stderr).toContain("Quota 'CPUS' exceeded (QUOTA_EXCEEDED)");
    await until(() => fake.api.instances.length === 0);
    fake.api.plan.insertError = () => undefined;
    const [calls, startMs] = [fake.exchanges.length, performance.now()];
    const made = await gomote('create', '--count', String(count), 'linux');
    const tookMs = performance.now() - startMs;
    expect(withoutProgress(made.stderr)).toBe('');
    expect(new Set(made.stdout.toString().trim().split('\n')).size).toBe(count);
    expect(fake.api.instances).toHaveLength(count);
    // For each: insert, wait, get, and a look for a machine of that name in another zone. The first 20 calls are
    // the burst.
    const madeCalls = fake.exchanges.length - calls;
    expect(madeCalls).toBeGreaterThanOrEqual(4 * count);
    expect(tookMs).toBeGreaterThanOrEqual(((madeCalls - 20) / 20) * 1_000);
    if (count > 5) console.log(`${count} machines: ${madeCalls} calls in ${Math.round(tookMs)} ms`);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing when create gets %s', async (name) => {
    const { fake, begin } = await cloud();
    fake.api.plan.machine = () => 'here';
    // At whichever of its calls it is.
    const calls = ['instances.insert', 'zoneOperations.wait', 'instances.get'];
    for (const verb of calls) {
      let child: ReturnType<typeof begin> | undefined;
      fake.fault = (called) => {
        if (called === verb) child?.kill(name);
        return undefined;
      };
      child = begin('create', 'linux');
      const { code, stdout } = await ending(child);
      expect(code).toBe(name === 'SIGINT' ? 130 : 143);
      expect(stdout.toString()).toBe('');
      await until(() => fake.api.instances.length === 0);
    }
  });
});
