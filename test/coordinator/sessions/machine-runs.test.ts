// Runs that go on with nobody reading them: they are shown, and keep their buildlet from ending for want of use.
import { expect, it, onTestFinished } from 'vitest';
import {
  startCoordinator,
  type TestCoordinator,
  type TestCoordinatorOptions,
} from '../../helpers/coordinator.ts';
import { until } from '../../helpers/processes.ts';

const patienceMs = 60_000;
const root = { name: 'root', isAdmin: true };

async function scene(options: TestCoordinatorOptions = {}, toml = '') {
  const coordinator = await startCoordinator({
    ...options,
    toml: `probe-interval = "50ms"\n${toml}`,
  });
  const buildlet = await coordinator.client('me').createBuildlet('linux');
  onTestFinished(() => buildlet.disconnect());
  return { coordinator, buildlet };
}

/** What the status page shows as running. */
const shown = ({ coordinator }: TestCoordinator): string[] =>
  coordinator.views
    .of(root)
    .sessions.flatMap(({ running }) =>
      running.map(({ method, path, command }) => command ?? `${method} ${path}`),
    );

const detached = { systemLevel: true, detach: true } as const;

it('a detached run is shown until it ends, also by a restarted coordinator', async () => {
  const { coordinator, buildlet } = await scene();
  const run = await buildlet.sessions.start({ ...detached, cmd: 'sleep', args: ['1000'] });
  await until(() => shown(coordinator).join() === 'sleep 1000', patienceMs);
  await coordinator.restart();
  await until(() => shown(coordinator).join() === 'sleep 1000', patienceMs);
  await run?.kill('SIGTERM');
  await until(() => shown(coordinator).length === 0, patienceMs);
});

it('a run is shown once, however many clients read it', async () => {
  const { coordinator, buildlet } = await scene();
  const run = await buildlet.sessions.start({ ...detached, cmd: 'sleep', args: ['1000'] });
  const readers = Array.from({ length: 3 }, () => run?.read({ observe: true }));
  await until(
    () => coordinator.buildlets.length > 0 && shown(coordinator).join() === 'sleep 1000',
    patienceMs,
  );
  const attached = buildlet.exec('sleep', { args: ['2000'], systemLevel: true });
  await until(() => shown(coordinator).sort().join() === 'sleep 1000,sleep 2000', patienceMs);
  for (const { id } of await buildlet.sessions.list()) {
    await buildlet.sessions.get(id).kill('SIGKILL');
  }
  await Promise.all(readers);
  attached.catch(() => undefined);
});

it('arguments that are excluded from the audit trail are not on the page', async () => {
  const { coordinator, buildlet } = await scene({}, 'audit-arguments = false');
  await buildlet.sessions.start({ ...detached, cmd: 'sleep', args: ['1000'] });
  await until(() => shown(coordinator).join() === 'sleep', patienceMs);
});

it('a buildlet with an active run does not become idle', async () => {
  const { coordinator, buildlet } = await scene({}, 'limits = { idle = "8s" }');
  await buildlet.sessions.start({ ...detached, cmd: 'sleep', args: ['1000'] });
  await until(() => shown(coordinator).length === 1, patienceMs);
  // Nothing passes from here on.
  const expires = () => coordinator.coordinator.views.of(root).sessions[0]?.expiresMs ?? 0;
  const before = expires();
  await until(() => expires() > before + 500, patienceMs);
});

it('a buildlet without support for runs counts as healthy', async () => {
  const { coordinator } = await scene({ buildlet: { features: [] } });
  await until(
    () => coordinator.coordinator.views.of(root).sessions[0]?.health === 'well',
    patienceMs,
  );
  expect(shown(coordinator)).toEqual([]);
});
