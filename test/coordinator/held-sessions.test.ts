// Sessions that end when the client that holds them has gone.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

describe('a session that is held', () => {
  it('is given back when its client has disconnected, and its machine is lent again', async () => {
    const coordinator = await startCoordinator({ machines: 1 });
    const me = coordinator.client('me');
    const buildlet = await me.createBuildlet('linux');
    const hold = await buildlet.hold({ graceMs: 0 });
    expect(hold).toBeDefined();
    expect(await me.remoteBuildlets()).toHaveLength(1);
    await buildlet.disconnect();
    await until(async () => (await me.remoteBuildlets()).length === 0);
    const again = await me.createBuildlet('linux');
    await again.disconnect();
    const trail = () => readFileSync(join(coordinator.directory, 'state', 'audit.jsonl'), 'utf8');
    await until(() => /"event":"destroy".*"why":"its client has gone"/.test(trail()));
  });

  it('lives on when it is released', async () => {
    const coordinator = await startCoordinator({ machines: 1 });
    const me = coordinator.client('me');
    const buildlet = await me.createBuildlet('linux');
    const hold = await buildlet.hold({ graceMs: 0 });
    await hold?.release();
    await buildlet.disconnect();
    expect(await me.remoteBuildlets()).toHaveLength(1);
    expect((await me.namedBuildlet('user-me-linux-0').status()).version).toBe(11);
  });

  it('is held again after a restart of the coordinator', async () => {
    const coordinator = await startCoordinator({ machines: 1 });
    const me = coordinator.client('me');
    const buildlet = await me.createBuildlet('linux');
    const hold = await buildlet.hold({ graceMs: 60_000 });
    await coordinator.restart();
    await expect(hold?.release()).resolves.toBeUndefined();
    await buildlet.disconnect();
    expect(await me.remoteBuildlets()).toHaveLength(1);
  });

  it('cannot be held by another user', async () => {
    const coordinator = await startCoordinator({ users: { me: {}, other: {} }, machines: 1 });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const theirs = coordinator.client('other').namedBuildlet(name);
    await expect(theirs.hold({ graceMs: 0 })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });
});
