// Two coordinators, each a process with a state of its own, over one project of Compute Engine: they see the same.
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CoordinatorClient } from '../../../src/client/coordinator-client.ts';
import { Collector } from '../../helpers/collect.ts';
import { fakeCompute, vmPool, zoneA } from '../../helpers/compute/fixture.ts';
import type { FakeCompute } from '../../helpers/compute/server.ts';
import { CoordinatorProcess } from '../../helpers/coordinator-process.ts';
import { startMetadataServer } from '../../helpers/metadata-server.ts';

interface Setting {
  /** How many coordinators, whose users they know, and the team of each. */
  readonly users?: readonly (readonly string[])[];
  readonly teams?: readonly string[];
  readonly limits?: string;
  /** How often machines are looked at, and how long each look may take. Default: long enough for a busy machine. */
  readonly probeInterval?: string;
}

interface Cloud {
  readonly fake: FakeCompute;
  readonly coordinators: readonly CoordinatorProcess[];
}

async function cloud({
  users = [['me'], ['me']],
  teams = [],
  limits = '',
  probeInterval = '10s',
}: Setting = {}) {
  const fake = await fakeCompute();
  fake.api.plan.machine = () => 'here';
  fake.token = 'of-the-machine';
  const metadata = await startMetadataServer({}, fake.token);
  onTestFinished(() => metadata.close());
  const environment = {
    GCE_METADATA_HOST: metadata.host,
    METADATA_SERVER_DETECTION: 'assume-present',
    HOME: '/nonexistent',
  };
  const coordinators = users.map((names, n) => {
    const toml = `
      probe-interval = "${probeInterval}"
      ${teams[n] === undefined ? '' : `team = "${teams[n]}"`}
      [limits]
      ${limits}
      ${vmPool(fake, 10)}
    `;
    return new CoordinatorProcess({ toml, users: names, environment });
  });
  await Promise.all(coordinators.map((coordinator) => coordinator.start()));
  return { fake, coordinators } satisfies Cloud;
}

/** A time is only a failure's end. */
const eventually = { timeout: 60_000, interval: 500 };

const namesOf = async (client: CoordinatorClient) =>
  (await client.remoteBuildlets({ health: true })).map(({ name }) => name);

/** Runs a command on a buildlet, through one coordinator; gives what it printed. */
async function run(client: CoordinatorClient, name: string, cmd: string, ...args: string[]) {
  const buildlet = client.namedBuildlet(name);
  try {
    const output = new Collector();
    await buildlet.exec(cmd, { systemLevel: true, args, output });
    return output.text;
  } finally {
    await buildlet.disconnect();
  }
}

/** A machine goes a moment after its deletion was asked for. */
async function noMachineLeft({ api }: FakeCompute): Promise<void> {
  await expect.poll(() => api.instances.map(({ name }) => name), eventually).toEqual([]);
}

async function halt(client: CoordinatorClient, name: string): Promise<void> {
  const buildlet = client.namedBuildlet(name);
  await buildlet.halt();
  await buildlet.disconnect();
}

describe('a buildlet that one coordinator made', () => {
  it('is listed, used, extended and destroyed through another', async () => {
    const { fake, coordinators } = await cloud();
    const [one, two] = coordinators.map((coordinator) => coordinator.client());
    const { name } = await one!.requestBuildlet('vm');
    // Used at once, before the other has heard of it.
    expect(await run(two!, name, 'echo', 'by the other')).toBe('by the other\n');
    const [made] = await one!.remoteBuildlets();
    expect(await two!.remoteBuildlets()).toMatchObject([{ name, created: made!.created }]);
    const { expires } = await two!.extend(name, 7_200_000);
    expect(expires.getTime() - made!.expires.getTime()).toBeGreaterThan(3_600_000);
    expect(await one!.remoteBuildlets()).toMatchObject([{ name, expires }]);
    // A use through the first does not take back what was written through the second.
    await run(one!, name, 'true');
    expect(await two!.remoteBuildlets()).toMatchObject([{ name, expires }]);
    await halt(two!, name);
    expect(await namesOf(one!)).toEqual([]);
    await noMachineLeft(fake);
  });

  it('is not confused with another that got its name later', async () => {
    const { coordinators } = await cloud();
    const [one, two] = coordinators.map((coordinator) => coordinator.client());
    const first = await one!.requestBuildlet('vm');
    expect(await run(two!, first.name, 'echo', '1')).toBe('1\n');
    await halt(one!, first.name);
    const second = await one!.requestBuildlet('vm');
    expect(await run(two!, second.name, 'echo', '2')).toBe('2\n');
  });

  it('is reported as dead by both when its machine has ended, until it is destroyed', async () => {
    const { fake, coordinators } = await cloud({ probeInterval: '1s' });
    const [one, two] = coordinators.map((coordinator) => coordinator.client());
    const { name } = await one!.requestBuildlet('vm');
    await run(two!, name, 'true');
    const [instance] = fake.api.instances;
    instance!.status = 'TERMINATED';
    await fake.api.machineOf(zoneA, String(instance!.name))?.kill();
    for (const client of [one!, two!]) {
      await expect
        .poll(() => client.remoteBuildlets({ health: true }), eventually)
        .toMatchObject([{ name, health: 'dead', reason: expect.stringContaining('stopped') }]);
    }
    await halt(two!, name);
    expect(await namesOf(one!)).toEqual([]);
    await noMachineLeft(fake);
  });

  it('ends when nobody uses it, but not while it is used through another coordinator', async () => {
    const { fake, coordinators } = await cloud({ limits: 'idle = "6s"' });
    const [one, two] = coordinators.map((coordinator) => coordinator.client());
    const extended = await one!.requestBuildlet('vm');
    await two!.extend(extended.name, 3_600_000);
    await one!.requestBuildlet('vm');
    await expect.poll(() => namesOf(one!), eventually).toEqual([extended.name]);
    await expect.poll(() => namesOf(two!), eventually).toEqual([extended.name]);
    await expect.poll(() => fake.api.instances, eventually).toHaveLength(1);
    expect(await run(one!, extended.name, 'echo', 'there')).toBe('there\n');
  });

  it('is used through one, which writes that where the other reads it', async () => {
    const { fake, coordinators } = await cloud({ limits: 'idle = "8s"' });
    const client = coordinators[0]!.client();
    const { name } = await client.requestBuildlet('vm');
    const expiry = () => {
      const items = fake.api.instances[0]?.metadata?.items;
      const note = items?.find(({ key }) => key === 'gomote-note')?.value;
      return Number(JSON.parse(note ?? '{}').expiresMs);
    };
    const first = expiry();
    await expect
      .poll(async () => {
        await run(client, name, 'true');
        return expiry();
      }, eventually)
      .toBeGreaterThan(first);
  });
});

it('two coordinators that create many names concurrently never use one twice', async () => {
  const { fake, coordinators } = await cloud();
  const clients = coordinators.map((coordinator) => coordinator.client());
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, n) => clients[n % 2]!.requestBuildlet('vm')),
  );
  const names = made.map(({ name }) => name).sort();
  expect(new Set(names).size).toBe(8);
  for (const client of clients) {
    // A list that takes too long goes without the other's.
    await expect.poll(async () => (await namesOf(client)).sort(), eventually).toEqual(names);
  }
  expect(fake.api.instances).toHaveLength(8);
});

it('a coordinator that restarts, or has lost its state, ends nothing and finds everything', async () => {
  const { fake, coordinators } = await cloud();
  const [one, two] = coordinators;
  const client = () => one!.client();
  const mine = await client().requestBuildlet('vm');
  const other = await two!.client().requestBuildlet('vm');
  const names = [mine.name, other.name].sort();
  await run(client(), mine.name, 'sh', '-c', 'echo kept >mark');
  await one!.kill();
  await one!.start();
  expect(await namesOf(client())).toEqual(names);
  await one!.kill();
  one!.loseState();
  await one!.start();
  expect(await namesOf(client())).toEqual(names);
  expect(await run(client(), mine.name, 'cat', 'mark')).toBe('kept\n');
  expect(fake.api.instances.map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING']);
  // It is no less its user's than before.
  for (const name of names) await halt(client(), name);
  expect(await namesOf(two!.client())).toEqual([]);
  await noMachineLeft(fake);
});

it('a coordinator without that user, or of another team, neither shows a buildlet nor ends it', async () => {
  const { fake, coordinators } = await cloud({
    users: [['me'], ['other'], ['me']],
    teams: ['builds', 'builds', 'tests'],
  });
  const [one, without, apart] = coordinators;
  const { name } = await one!.client().requestBuildlet('vm');
  expect(await namesOf(without!.client('other'))).toEqual([]);
  expect(await namesOf(apart!.client())).toEqual([]);
  await expect(apart!.client().extend(name, 1_000)).rejects.toThrow('no');
  for (const coordinator of [without!, apart!]) {
    await coordinator.kill();
    await coordinator.start();
  }
  expect(await run(one!.client(), name, 'echo', 'here')).toBe('here\n');
  expect(fake.api.instances.map(({ status }) => status)).toEqual(['RUNNING']);
});

it('a platform outage is reported, and known sessions continue', async () => {
  const { fake, coordinators } = await cloud();
  const client = coordinators[0]!.client();
  const { name } = await client.requestBuildlet('vm');
  await run(client, name, 'true');
  fake.fault = () => ({ status: 403, reason: 'forbidden', message: 'no rights for a while' });
  expect(await run(client, name, 'echo', 'goes on')).toBe('goes on\n');
  expect(await namesOf(client)).toEqual([name]);
  await expect(client.extend('user-me-vm-9', 1_000)).rejects.toThrow('no rights for a while');
});
