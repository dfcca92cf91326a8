// Machines of a pool that die and come back while nobody has them.
import { describe, expect, it } from 'vitest';
import { startBuildlet, type TestBuildlet } from '../../helpers/buildlet.ts';
import { ask, startCoordinator, type TestCoordinator } from '../../helpers/coordinator.ts';
import { until } from '../../helpers/processes.ts';

const users = { me: {}, root: { role: 'admin' as const } };
const toml = 'probe-interval = "50ms"';

const poolOf = ({ coordinator }: TestCoordinator, name = 'root') =>
  coordinator.views.of({ name, isAdmin: name === 'root' }).pools[0]!;

const events = ({ log }: TestCoordinator) => log.map(({ event }) => event);

async function revive({ address }: TestBuildlet): Promise<TestBuildlet> {
  return await startBuildlet({ address: { kind: 'unix', path: address.replace('unix:', '') } });
}

describe('an idle static machine that dies', () => {
  it('is detected, counted, shown, logged, and not lent before it is back and clean', async () => {
    const coordinator = await startCoordinator({ users, machines: 1, toml });
    const [machine] = coordinator.buildlets;
    await until(async () => (await ask(coordinator, '/readyz')).text === 'ready\n');
    await machine!.close();
    await until(() => poolOf(coordinator).down.length === 1);
    expect(poolOf(coordinator)).toMatchObject({ capacity: 0, lent: 0, outOfService: [] });
    expect(poolOf(coordinator).down).toEqual([
      {
        machine: machine!.address,
        sinceMs: expect.any(Number),
        reason: expect.stringContaining('cannot reach'),
      },
    ]);
    expect(poolOf(coordinator, 'me').down[0]).not.toHaveProperty('reason');
    expect(coordinator.log).toContainEqual({
      ...{ event: 'machine-down', hostType: 'host-linux', machine: machine!.address },
      reason: expect.any(String),
    });
    expect(await ask(coordinator, '/readyz')).toEqual({
      status: 200,
      text: 'ready: machines: host-linux: 1 of 1 machines cannot be lent\n',
    });
    const { text } = await ask(coordinator, '/metrics', { user: 'root' });
    expect(text).toContain(
      'gomote_pool_machines{host_type="host-linux",pool="machines",state="down"} 1',
    );
    await expect(coordinator.client('me').requestBuildlet('linux')).rejects.toThrow(
      /no machine of host-linux is up: unix:\S+ has been down for [0-9]+s: /,
    );
    await revive(machine!);
    await until(() => poolOf(coordinator).down.length === 0);
    expect(events(coordinator).filter((event) => event === 'machine-down')).toHaveLength(1);
    expect(events(coordinator)).toContain('machine-up');
    await coordinator.client('me').requestBuildlet('linux');
  });

  it('fails no create: the create waits for a machine in use', async () => {
    const coordinator = await startCoordinator({ users, machines: 2 });
    const me = coordinator.client('me');
    const first = await me.requestBuildlet('linux');
    const used = coordinator.coordinator.views.of({ name: 'root', isAdmin: true }).sessions[0];
    expect(used?.name).toBe(first.name);
    // The free one dies before a probe can tell.
    await coordinator.buildlets[1]!.close();
    const steps: string[] = [];
    const second = me.requestBuildlet('linux', { onProgress: (step) => steps.push(step) });
    await until(() => steps.some((step) => step.includes('ahead')));
    expect(steps.at(-1)).toMatch(
      /^0 ahead of you; 1 of 2 machines of host-linux in use \(me 1\); 1 cannot be lent at the moment; the next one is free in (29m|30m0)/,
    );
    await me.namedBuildlet(first.name).halt();
    expect((await second).name).toBe('user-me-linux-1');
  });

  it('is not lent to others until it is back, if it dies in use', async () => {
    const coordinator = await startCoordinator({ users, machines: 1, toml });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    await me.namedBuildlet(name).put('secret', 'file', 0o600);
    await coordinator.buildlets[0]!.close();
    await me.namedBuildlet(name).halt();
    await until(() => poolOf(coordinator).down.length === 1);
    expect(poolOf(coordinator).lent).toBe(0);
    await revive(coordinator.buildlets[0]!);
    await until(() => poolOf(coordinator).down.length === 0);
    await me.requestBuildlet('linux');
  });
});
