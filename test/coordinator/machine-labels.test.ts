// Labels of machines and priorities, as users and admins see them, over a coordinator with two pools of one host type.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { ask, startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { dialling } from '../helpers/reverse.ts';

async function farm(): Promise<TestCoordinator> {
  const special = await startBuildlet();
  return await startCoordinator({
    users: { me: {}, boss: { role: 'admin' } },
    machines: 1,
    pool: 'labels = { place = "lab" }',
    sections: [
      '[pools.special]',
      'kind = "static"',
      'host = "host-linux"',
      'labels = { place = "lab", os = "12" }',
      `machines = [{ address = "${special.address}", labels = { gpu = "h100", os = "13" } }]`,
      '[pools.macs]',
      'kind = "reverse"',
      'host = "host-linux"',
      'key-file = "keys"',
      'labels = { place = "desk" }',
      'machine-labels = ["xcode"]',
    ].join('\n'),
    prepare: (directory) => writeFileSync(join(directory, 'keys'), 'the-key\n', { mode: 0o600 }),
  });
}

function cliOf({ url, fingerprint }: TestCoordinator) {
  const cli = testCli();
  const directory = join(cli.directory, 'config', 'gomote');
  mkdirSync(directory, { recursive: true });
  const lines = ['default = "team"', '[backends.team]', `url = "${url}"`];
  writeFileSync(
    join(directory, 'config.toml'),
    [...lines, `fingerprint = "${fingerprint}"`].join('\n'),
  );
  for (const file of ['user-me.token', 'team-user-me.token']) {
    writeFileSync(join(directory, file), `${tokenOf('me')}\n`, { mode: 0o600 });
  }
  return cli;
}

const machinesOf = async (coordinator: TestCoordinator) =>
  (await coordinator.client('boss').machines({ signal: AbortSignal.timeout(10_000) })).map(
    ({ pool, labels, buildlet }) => ({ pool, labels, buildlet }),
  );

it('a create gets the machine whose labels it requires, also after a restart', async () => {
  const coordinator = await farm();
  const cli = cliOf(coordinator);
  const made = await cli(['create', '--require', 'gpu', '--require', 'os=13', 'linux']);
  expect(made).toEqual({ code: 0, stdout: 'user-me-linux-0\n', stderr: '' });
  const rows = [
    { pool: 'machines', labels: { place: 'lab' }, buildlet: undefined },
    {
      ...{ pool: 'special', labels: { place: 'lab', os: '13', gpu: 'h100' } },
      buildlet: 'user-me-linux-0',
    },
  ];
  expect(await machinesOf(coordinator)).toEqual(rows);
  expect(await cli(['create', '--require', 'gpu=a100', 'linux'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /there is no machine of host-linux with gpu=a100; their labels are: gpu=h100, os=12, os=13, place=desk, place=lab\n$/,
    ),
  });
  await coordinator.restart();
  expect(await machinesOf(coordinator)).toEqual(rows);
  expect(await cli(['run', 'user-me-linux-0', 'echo', 'hi'])).toMatchObject({ stdout: 'hi\n' });
  expect(await cli(['destroy', 'user-me-linux-0'])).toMatchObject({ code: 0 });
});

describe('a machine that dials in', () => {
  it('has the labels that its pool permits, whatever it reports', async () => {
    const coordinator = await farm();
    const labels = { xcode: '16 ☃', place: 'lab', gpu: 'h100' };
    const trust = { fingerprint: coordinator.fingerprint.replace('sha256:', '') };
    const machine = { machine: 'mac1', key: 'the-key', hostType: 'host-linux', labels, trust };
    await dialling(coordinator.url, machine);
    const rows = async () => (await machinesOf(coordinator)).filter(({ pool }) => pool === 'macs');
    await until(async () => (await rows()).length === 1);
    expect((await rows())[0]?.labels).toEqual({ xcode: '16 ☃', place: 'desk' });
    const client = coordinator.client('me');
    const wanted = [['xcode', undefined] as const];
    const made = await client.requestBuildlet('linux', { machineLabels: wanted });
    expect((await rows())[0]?.buildlet).toBe(made.name);
  });

  it('gets no invalid label', async () => {
    const coordinator = await farm();
    const trust = { fingerprint: coordinator.fingerprint.replace('sha256:', '') };
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, 'v']));
    const bad = [{ xcode: '\u001b[31m' }, { xcode: 'y'.repeat(300) }, { ...many, xcode: '16' }];
    for (const [at, labels] of bad.entries()) {
      const options = {
        machine: `odd${at}`,
        key: 'the-key',
        hostType: 'host-linux',
        labels,
        trust,
      };
      await dialling(coordinator.url, options);
      const found = () =>
        coordinator.log.find(({ event, machine: id }) => {
          return event === 'machine-connected' && String(id).startsWith(`odd${at}.`);
        });
      await until(() => found() !== undefined);
      expect(found()?.labels).toBe('place=desk');
    }
  });
});

describe('a priority', () => {
  it('is refused above the limit that an admin sets for the user', async () => {
    const coordinator = await startCoordinator({
      users: { me: {}, ci: { priority: 'low' }, boss: { role: 'admin' } },
    });
    const create = (user: string, priority: string) => {
      const body = `version=20160922&builderType=linux&priority=${priority}`;
      return ask(coordinator, '/buildlet/create', { user, method: 'POST', body });
    };
    expect(await create('me', 'high')).toEqual({
      status: 429,
      text: 'your creates have the priority normal at most, not high\n',
    });
    expect(await create('ci', 'normal')).toMatchObject({ status: 429 });
    expect(await create('me', 'urgent')).toEqual({
      status: 400,
      text: "bad 'priority' parameter: low, normal, high\n",
    });
    expect(await create('ci', 'low')).toMatchObject({ status: 200 });
    expect(await create('boss', 'high')).toMatchObject({ status: 200 });
  });
});

it.each(['--require', '--priority'])(
  '%s is refused where all machines are alike',
  async (option) => {
    const cli = testCli();
    const value = option === '--require' ? 'gpu' : 'high';
    const { code, stderr } = await cli(['create', '--backend', 'local', option, value, 'local']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `gomote: ${option} is for coordinators, not for "local"; leave it out, or give --backend NAME\n`,
    });
  },
);
