// The commands of an admin on the machine of a running coordinator.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';

const users = { me: {}, other: {}, root: { role: 'admin' as const } };

/** Runs a command; what it says, and its status. */
async function command({ directory }: TestCoordinator, ...words: string[]) {
  const program = join(projectRoot, 'bin/coordinator.js');
  const config = join(directory, 'coordinator.toml');
  const argv = [program, ...words, '--config', config];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, argv);
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

describe('coordinator machine', () => {
  it('lists the machines, and drains one until it is undrained', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    const [first, second] = coordinator.buildlets.map(({ address }) => address);
    const listed = (await command(coordinator, 'machine', 'list')).stdout;
    const lines = listed.trimEnd().split('\n').sort();
    expect(lines).toEqual(
      [`${first}\thost-linux\tin use\tme\t${name}`, `${second}\thost-linux\tfree`].sort(),
    );
    const drained = await command(
      coordinator,
      'machine',
      'drain',
      `${second}`,
      '--note',
      'new disk',
    );
    expect(drained.stdout).toMatch(
      /^unix:\S+\thost-linux\tfree, drained\t\t\tdrained for 0s: new disk\n$/,
    );
    const steps: string[] = [];
    const waiting = me.requestBuildlet('linux', { onProgress: (step) => steps.push(step) });
    await until(() => steps.length > 0);
    // It stays so when the coordinator starts again.
    await coordinator.restart();
    const rows = JSON.parse((await command(coordinator, 'machine', 'list', '--json')).stdout);
    expect(rows.find(({ machine }: { machine: string }) => machine === second)).toMatchObject({
      drained: { note: 'new disk' },
    });
    await until(() => steps.filter((step) => step.includes('ahead')).length > 1);
    expect((await command(coordinator, 'machine', 'undrain', `${second}`)).code).toBe(0);
    await waiting;
  });

  it('leaves a machine in use to its user, and does not lend it afterwards', async () => {
    const coordinator = await startCoordinator({ users, machines: 1 });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    const address = coordinator.buildlets[0]!.address;
    const { stdout } = await command(coordinator, 'machine', 'drain', address);
    expect(stdout).toContain('in use, drained\tme');
    expect((await me.namedBuildlet(name).status()).version).toBe(11);
    await me.namedBuildlet(name).halt();
    const leaving = new AbortController();
    const waiting = me.requestBuildlet('linux', { signal: leaving.signal }).catch(() => 'left');
    await until(
      () => coordinator.coordinator.views.of({ name: '', isAdmin: true }).queue.length === 1,
    );
    leaving.abort();
    expect(await waiting).toBe('left');
  });

  it.each([
    [['machine', 'drain', '10.9.9.9:1'], /there is no machine "10\.9\.9\.9:1"/],
    [['machine', 'drain', 'x', '--note', 'a\nb'], /a note is one line/],
  ])('refuses %j', async (words, message) => {
    const coordinator = await startCoordinator({ users });
    const { code, stderr } = await command(coordinator, ...words);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  it('reports when no coordinator runs', async () => {
    const coordinator = await startCoordinator({ users });
    await coordinator.drain(0);
    const { code, stderr } = await command(coordinator, 'machine', 'list');
    expect(code).toBe(1);
    expect(stderr).toMatch(/no coordinator serves from .*: nothing runs there; start it/);
  });

  it('is for admins alone over HTTP', async () => {
    const coordinator = await startCoordinator({ users });
    await expect(coordinator.client('me').machines()).rejects.toMatchObject({ status: 401 });
    await expect(coordinator.client('me').drain('x', '')).rejects.toMatchObject({ status: 401 });
    expect(await coordinator.client('root').machines()).toHaveLength(2);
  });
});

describe('coordinator user', () => {
  it('does not remove a user with buildlets without --end or --keep', async () => {
    const coordinator = await startCoordinator({ users });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    const refused = await command(coordinator, 'user', 'remove', 'me');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      `coordinator: "me" has buildlets: ${name}; give --end to end them, or --keep to leave them until their time is over\n`,
    ]);
    expect(await command(coordinator, 'user', 'remove', 'me', '--end')).toMatchObject({
      code: 0,
      stdout: `ended ${name}\n`,
    });
    const root = coordinator.client('root');
    expect(await root.remoteBuildlets({ everybody: true })).toEqual([]);
    await expect(me.remoteBuildlets()).rejects.toMatchObject({ status: 401 });
    const { name: kept } = await coordinator.client('other').requestBuildlet('linux');
    expect((await command(coordinator, 'user', 'remove', 'other', '--keep')).code).toBe(0);
    const left = await root.remoteBuildlets({ everybody: true });
    expect(left.map((one) => one.name)).toEqual([kept]);
  });

  it('removes no user with --end while no coordinator runs', async () => {
    const coordinator = await startCoordinator({ users });
    await coordinator.drain(0);
    const { code, stderr } = await command(coordinator, 'user', 'remove', 'me', '--end');
    expect(code).toBe(1);
    expect(stderr).toContain('no coordinator serves from');
    expect((await command(coordinator, 'user', 'list')).stdout).toContain('me\tuser');
  });

  it('changes a user and leaves the token', async () => {
    const coordinator = await startCoordinator({ users });
    const args = ['--role', 'admin', '--maximum', '3', '--expires', '90d'];
    expect((await command(coordinator, 'user', 'set', 'me', ...args)).code).toBe(0);
    expect((await coordinator.client('me').machines()).length).toBe(2);
    const { stdout } = await command(coordinator, 'user', 'list');
    expect(stdout).toMatch(/^me\tadmin\t\S+\t3\t20[0-9-]+T/m);
    expect(tokenOf('me')).not.toBe('');
  });
});
