// Two coordinators, each a process with a state of its own, over one namespace: they see the same.
import { expect, it } from 'vitest';
import type { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { Collector } from '../helpers/collect.ts';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { makeNamespace, nothingLeft, podPool, pods } from './cluster.ts';

const namespace = await makeNamespace();

const toml = podPool(namespace, 'maximum = 8');

async function coordinator(): Promise<CoordinatorProcess> {
  const environment = { HOME: temporaryDirectory() };
  const started = new CoordinatorProcess({ toml, environment });
  await started.start();
  return started;
}

const namesOf = async (client: CoordinatorClient) =>
  (await client.remoteBuildlets({ health: true })).map(({ name }) => name);

async function run(client: CoordinatorClient, name: string, script: string): Promise<string> {
  const buildlet = client.namedBuildlet(name);
  try {
    const output = new Collector();
    await buildlet.exec('sh', { systemLevel: true, args: ['-c', script], output });
    return output.text;
  } finally {
    await buildlet.disconnect();
  }
}

async function halt(client: CoordinatorClient, name: string): Promise<void> {
  const buildlet = client.namedBuildlet(name);
  await buildlet.halt();
  await buildlet.disconnect();
}

it('a buildlet made through one coordinator is listed, used, extended and destroyed through another', async () => {
  const [one, two] = (await Promise.all([coordinator(), coordinator()])).map((each) =>
    each.client(),
  );
  const { name } = await one!.requestBuildlet('linux');
  expect(await run(two!, name, 'seq 1 >mark; cat mark')).toBe('1\n');
  expect(await namesOf(two!)).toEqual([name]);
  const { expires } = await two!.extend(name, 7_200_000);
  expect(await one!.remoteBuildlets()).toMatchObject([{ name, expires }]);
  await halt(two!, name);
  expect(await namesOf(one!)).toEqual([]);
  await nothingLeft(namespace);
});

it('two coordinators that make many at once give no name twice', async () => {
  const clients = (await Promise.all([coordinator(), coordinator()])).map((each) => each.client());
  const made = await Promise.all(
    Array.from({ length: 6 }, (_, n) => clients[n % 2]!.requestBuildlet('linux')),
  );
  const names = made.map(({ name }) => name).sort();
  expect(new Set(names).size).toBe(6);
  for (const client of clients) expect((await namesOf(client)).sort()).toEqual(names);
  await Promise.all(names.map((name, n) => halt(clients[n % 2]!, name)));
  await nothingLeft(namespace);
});

it('a coordinator that has lost its state finds its sessions in the cluster, and ends none', async () => {
  const one = await coordinator();
  const two = await coordinator();
  const mine = await one.client().requestBuildlet('linux');
  const other = await two.client().requestBuildlet('linux');
  await run(one.client(), mine.name, 'seq 7 >mark');
  await one.kill();
  one.loseState();
  await one.start();
  expect(await namesOf(one.client())).toEqual([mine.name, other.name].sort());
  expect(await run(one.client(), mine.name, 'tail -n 1 mark')).toBe('7\n');
  expect(await run(one.client(), other.name, 'seq 2 2')).toBe('2\n');
  const running = (await pods(namespace)).filter(
    ({ metadata }) => metadata?.deletionTimestamp === undefined,
  );
  expect(running).toHaveLength(2);
  for (const { name } of [mine, other]) await halt(one.client(), name);
  expect(await namesOf(two.client())).toEqual([]);
  await nothingLeft(namespace);
});
