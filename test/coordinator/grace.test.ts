// A machine in use that falls silent: its session goes on when it is back in time.
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

const toml = 'probe-interval = "50ms"';

/** Lets time pass for whoever asks how long something has taken. */
function clock(): { pass: (ms: number) => void } {
  const now = performance.now.bind(performance);
  let aheadMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs);
  onTestFinished(() => void vi.restoreAllMocks());
  return { pass: (ms) => (aheadMs += ms) };
}

async function silenced() {
  const coordinator = await startCoordinator({ toml, machines: 1 });
  const me = coordinator.client('me');
  const { name } = await me.requestBuildlet('linux');
  const row = async () => (await me.remoteBuildlets({ health: true }))[0];
  await until(async () => (await row())?.health === 'well');
  const { pass } = clock();
  await coordinator.buildlets[0]!.close();
  await until(async () => (await row())?.health === 'silent');
  return { coordinator, me, name, row, pass };
}

const revived = ({ address }: TestBuildlet) =>
  startBuildlet({ address: { kind: 'unix', path: address.replace('unix:', '') } });

describe('a machine in use that does not answer', () => {
  it('is reported as silent, and for how long, and then resumes its session', async () => {
    const { coordinator, me, name, row, pass } = await silenced();
    pass(30_000);
    await expect(me.namedBuildlet(name).workDir()).rejects.toMatchObject({
      status: 502,
      text: expect.stringMatching(
        /no reply from the buildlet .*; it has not answered for 3[0-9] s/,
      ),
    });
    expect((await row())?.reason).toMatch(/^it has not answered for 3[0-9] s$/);
    pass(200_000);
    await until(() => coordinator.log.filter(({ event }) => event === 'probe-failed').length > 5);
    await revived(coordinator.buildlets[0]!);
    await until(async () => (await row())?.health === 'well');
    expect((await row())?.reason).toBeUndefined();
    expect((await me.namedBuildlet(name).status()).version).toBe(11);
    expect(coordinator.log.map(({ event }) => event)).not.toContain('died');
  });

  it('is given up after five minutes, and the error reports that', async () => {
    const { me, name, row, pass } = await silenced();
    pass(299_000);
    await expect(me.namedBuildlet(name).workDir()).rejects.toThrow('has not answered for');
    pass(10_000);
    await until(async () => (await row())?.health === 'dead');
    expect((await row())?.reason).toMatch(/^it did not answer for 3[01][0-9] s: /);
    await expect(me.namedBuildlet(name).workDir()).rejects.toThrow('is dead: it did not answer');
  });
});
