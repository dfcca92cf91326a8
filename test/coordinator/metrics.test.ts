// The metrics, by the rules of Prometheus, and what the documentation makes of them.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask, startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';

const hasPromtool = hasTool('promtool', '--version');
const monitoring = join(projectRoot, 'docs/monitoring');

const metricsOf = async (coordinator: TestCoordinator): Promise<string> => {
  const { status, text } = await ask(coordinator, '/metrics', { user: 'boss' });
  expect(status).toBe(200);
  return text;
};

const start = () => startCoordinator({ users: { boss: { role: 'admin' }, me: {} }, machines: 2 });

describe('/metrics', () => {
  it('counts creates, waiting times, bytes, deaths, and buildlets of users', async () => {
    const coordinator = await start();
    const client = coordinator.client('me');
    const one = await client.createBuildlet('linux');
    await client.createBuildlet('linux').then((two) => two.disconnect());
    await expect(client.createBuildlet('nothing')).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_TYPE',
    });
    await one.exec('/bin/echo', { args: ['hello'], systemLevel: true });
    await one.close();
    const cancelled = AbortSignal.abort();
    await client.createBuildlet('linux', { signal: cancelled }).catch(() => undefined);
    await until(async () => (await metricsOf(coordinator)).includes('buildlet_seconds_total{'));
    const text = await metricsOf(coordinator);
    for (const line of [
      'gomote_creates_total{host_type="host-linux",outcome="ok"} 2',
      'gomote_create_seconds_count{host_type="host-linux"} 2',
      'gomote_user_buildlets{user="me"} 1',
      'gomote_pool_machines{host_type="host-linux",pool="machines",state="lent"} 1',
      'gomote_pool_machines{host_type="host-linux",pool="machines",state="free"} 1',
      'gomote_pool_waiting_requests{host_type="host-linux"} 0',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/^gomote_build_info\{version="[^"]+",node_version="v[^"]+"\} 1$/m);
    expect(text).toMatch(/^gomote_relayed_bytes_total\{direction="reply"\} [1-9]/m);
    expect(text).toMatch(/^gomote_user_buildlet_seconds_total\{user="me"\} [0-9.]+$/m);
  });

  it.runIf(hasPromtool)('follows the rules of Prometheus', async () => {
    const coordinator = await start();
    const buildlet = await coordinator.client('me').createBuildlet('linux');
    await buildlet.disconnect();
    const input = await metricsOf(coordinator);
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input,
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('has every metric that the documentation uses', async () => {
    const text = await metricsOf(await start());
    const known = new Set(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    const dashboard: { panels: { targets: { expr: string }[] }[] } = JSON.parse(
      readFileSync(join(monitoring, 'dashboard.json'), 'utf8'),
    );
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(10);
    const alerts = readFileSync(join(monitoring, 'alerts.yml'), 'utf8');
    const used = [...expressions, alerts].flatMap((one) =>
      [...one.matchAll(/\b(?:gomote|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name),
    );
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.runIf(hasPromtool)('promtool', () => {
  it.each([
    ['rules', 'alerts.yml'],
    ['config', 'prometheus.yml'],
  ])('finds nothing wrong with the %s of the documentation', (what, file) => {
    const directory = temporaryDirectory();
    for (const name of readdirSync(monitoring)) {
      copyFileSync(join(monitoring, name), join(directory, name));
    }
    // Whether the files of secrets are there is another matter.
    const flags = what === 'config' ? ['--syntax-only'] : [];
    const { status, stderr } = spawnSync('promtool', ['check', what, ...flags, file], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });
});
