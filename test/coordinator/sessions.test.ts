// Sessions over HTTP: whose they are, how long they live, and what survives what.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { all } from '../helpers/collect.ts';
import { ask, startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';

const admin = { me: {}, other: {}, root: { role: 'admin' as const } };

describe('a session', () => {
  it('can be used only by its owner and by admins', async () => {
    const coordinator = await startCoordinator({ users: admin });
    const [me, other, root] = ['me', 'other', 'root'].map((name) => coordinator.client(name));
    const { name, user } = await me!.requestBuildlet('linux');
    expect([name, user]).toEqual(['user-me-linux-0', 'user-me']);
    expect(await other!.remoteBuildlets({ everybody: true })).toEqual([]);
    for (const call of [
      () => other!.namedBuildlet(name).status(),
      () => other!.namedBuildlet(name).halt(),
      () => other!.extend(name, 60_000),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_UNAUTHORIZED',
        text: "you don't own that buildlet",
      });
    }
    expect((await root!.remoteBuildlets({ everybody: true })).map((one) => one.name)).toEqual([
      name,
    ]);
    expect(await root!.remoteBuildlets()).toEqual([]);
    expect((await root!.namedBuildlet(name).status()).version).toBe(11);
    await root!.namedBuildlet(name).halt();
    expect(await me!.remoteBuildlets()).toEqual([]);
  });

  it('leaves nothing of its user to the next', async () => {
    const coordinator = await startCoordinator({ users: admin, machines: 1 });
    const first = await coordinator.client('me').createBuildlet('linux');
    await first.put('secret', 'dir/file', 0o600);
    await first.halt();
    const second = await coordinator.client('other').createBuildlet('linux');
    const entries = await all(second.listDir('', { recursive: true }));
    expect(entries).toEqual([]);
    await first.disconnect();
    await second.disconnect();
  });

  it('is prolonged by use and by extension, up to its maximum', async () => {
    const toml = 'limits = { idle = "30m", maximum = "2h" }';
    const coordinator = await startCoordinator({ toml });
    const me = coordinator.client('me');
    const { name, expires } = await me.requestBuildlet('linux');
    const minutes = (date: Date) => Math.round((date.getTime() - Date.now()) / 60_000);
    expect(minutes(expires)).toBe(30);
    expect(minutes((await me.extend(name, 90 * 60_000)).expires)).toBe(90);
    await me.namedBuildlet(name).status();
    expect(minutes((await me.remoteBuildlets())[0]!.expires)).toBe(90);
    expect(minutes((await me.extend(name, 10 * 3_600_000)).expires)).toBe(120);
    await expect(me.extend('user-me-linux-7', 1_000)).rejects.toMatchObject({ status: 502 });
    await expect(me.extend(name, 0)).rejects.toMatchObject({ status: 400 });
    await expect(me.extend('user-me-linux-7', 0)).rejects.toMatchObject({ status: 400 });
  });

  it('ends when it is not used, but not while a command runs', async () => {
    const coordinator = await startCoordinator({
      toml: 'limits = { idle = "300ms" }',
      machines: 1,
    });
    const me = coordinator.client('me');
    const buildlet = await me.createBuildlet('linux');
    expect((await buildlet.exec('sleep', { args: ['1'], systemLevel: true })).ok).toBe(true);
    await buildlet.disconnect();
    await until(async () => (await me.remoteBuildlets()).length === 0);
    await expect(me.namedBuildlet(buildlet.remoteName).workDir()).rejects.toMatchObject({
      text: 'unknown or expired buildlet',
    });
    await (await me.createBuildlet('linux')).disconnect();
  });

  it('reports by name and reason that its machine died, until its owner destroys it', async () => {
    const coordinator = await startCoordinator({
      toml: 'probe-interval = "50ms"\ngrace-time = "0"',
    });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    const used = coordinator.buildlets[0]!;
    await used.close();
    await until(async () => (await me.remoteBuildlets({ health: true }))[0]?.health === 'dead');
    const [row] = await me.remoteBuildlets({ health: true });
    expect(row?.reason).toContain('it did not answer for');
    // What the base protocol knows are buildlets that can be used.
    expect(await me.remoteBuildlets()).toEqual([]);
    await expect(me.namedBuildlet(name).workDir()).rejects.toMatchObject({
      status: 502,
      text: expect.stringMatching(
        `the buildlet "${name}" is dead: it did not answer for [0-9]+ s.*request`,
      ),
    });
    await me.namedBuildlet(name).halt();
    expect(await me.remoteBuildlets({ health: true })).toEqual([]);
    expect(coordinator.log.find(({ event }) => event === 'died')).toMatchObject({ name });
  });

  it('continues after a restart, with its files, its owner and its time', async () => {
    const coordinator = await startCoordinator({ users: admin });
    const me = coordinator.client('me');
    const buildlet = await me.createBuildlet('linux');
    await buildlet.put('kept', 'file', 0o644);
    await me.extend(buildlet.remoteName, 3_600_000);
    const [before] = await me.remoteBuildlets();
    await coordinator.restart();
    expect(await me.remoteBuildlets()).toEqual([before]);
    const ran = await buildlet.exec('cat', { args: ['file'], systemLevel: true });
    expect(ran.ok).toBe(true);
    await expect(
      coordinator.client('other').namedBuildlet('user-me-linux-0').halt(),
    ).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    // Its machine is still lent: the other one is what another gets.
    expect((await coordinator.client('other').requestBuildlet('linux')).name).toBe(
      'user-other-linux-0',
    );
    await buildlet.disconnect();
  });
});

describe('a create', () => {
  it('is refused beyond the user’s limit, and the error names the cure', async () => {
    const coordinator = await startCoordinator({ users: { me: { maximum: 1 } } });
    const me = coordinator.client('me');
    await me.requestBuildlet('linux');
    await expect(me.requestBuildlet('linux')).rejects.toMatchObject({
      status: 429,
      text: 'you have 1 buildlet, and your limit is 1: destroy one first',
    });
  });

  it('reports what it waits for, and continues when a machine comes back', async () => {
    const coordinator = await startCoordinator({ users: admin, machines: 1 });
    const first = await coordinator.client('me').createBuildlet('linux');
    const steps: string[] = [];
    const second = coordinator
      .client('other')
      .requestBuildlet('linux', { onProgress: (step) => steps.push(step) });
    await until(() => steps.length > 0);
    expect(steps).toEqual([
      expect.stringMatching(
        /^0 ahead of you; 1 of 1 machines of host-linux in use \(me 1\); the next one is free in (29m59s|30m0s) if nobody uses it$/,
      ),
    ]);
    await first.halt();
    expect((await second).name).toBe('user-other-linux-0');
    expect(steps).toContainEqual(expect.stringMatching(/^asking unix:/));
    await first.disconnect();
  });

  it('leaves nothing when its client disconnects while it waits', async () => {
    const coordinator = await startCoordinator({ users: admin, machines: 1 });
    const me = coordinator.client('me');
    await me.requestBuildlet('linux');
    const leaving = new AbortController();
    const waiting = coordinator.client('other').requestBuildlet('linux', {
      signal: leaving.signal,
      onProgress: () => leaving.abort(),
    });
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const root = { name: 'root', isAdmin: true };
    await until(() => coordinator.coordinator.views.of(root).queue.length === 0);
    expect(coordinator.coordinator.views.of(root).sessions.map(({ owner }) => owner)).toEqual([
      'me',
    ]);
  });

  it('is repeated with its key over a restart, and gives one buildlet', async () => {
    const coordinator = await startCoordinator({ users: admin, machines: 1 });
    const me = coordinator.client('me');
    const held = await me.createBuildlet('linux');
    const steps: string[] = [];
    const waiting = coordinator
      .client('other')
      .requestBuildlet('linux', { onProgress: (step) => steps.push(step) });
    await until(() => steps.length > 0);
    await coordinator.restart();
    await held.halt();
    expect((await waiting).name).toBe('user-other-linux-1');
    expect(steps).toContain('the coordinator is restarting');
    const root = { name: 'root', isAdmin: true };
    expect(coordinator.coordinator.views.of(root).sessions.length).toBe(1);
    await held.disconnect();
  });
});

describe('a coordinator', () => {
  it('shows its health to everybody and its metrics to admins, and logs what was done', async () => {
    const coordinator = await startCoordinator({ users: admin });
    expect(await ask(coordinator, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
    await until(async () => (await ask(coordinator, '/readyz')).status === 200);
    expect((await ask(coordinator, '/metrics')).status).toBe(400);
    expect((await ask(coordinator, '/metrics', { user: 'me' })).status).toBe(401);
    const buildlet = await coordinator.client('me').createBuildlet('linux');
    await buildlet.exec('sh', {
      args: ['-c', 'exit 3'],
      systemLevel: true,
      extraEnv: ['PW=hidden'],
    });
    await buildlet.halt();
    await buildlet.disconnect();
    const { text } = await ask(coordinator, '/metrics', { user: 'root' });
    expect(text).toContain(
      'gomote_pool_capacity_machines{host_type="host-linux",pool="machines"} 2',
    );
    expect(text).toMatch(/gomote_requests_total\{path="relay",status="200"\} [1-9]/);
    const path = join(coordinator.directory, 'state', 'audit.jsonl');
    await until(() => readFileSync(path, 'utf8').includes('"event":"destroy"'));
    const trail = readFileSync(path, 'utf8');
    expect(trail).toMatch(/"event":"create","name":"user-me-linux-0".*"outcome":"ok"/);
    expect(trail).toMatch(
      /"event":"exec".*"by":"me".*"command":"sh -c exit 3".*"outcome":"exit status 3"/,
    );
    expect(trail).toMatch(/"event":"destroy".*"why":"destroyed by me"/);
    expect(trail).not.toContain('hidden');
    expect(JSON.stringify(coordinator.log)).not.toContain('token-');
  });

  it('refuses a second coordinator on its state directory', async () => {
    const coordinator = await startCoordinator();
    const { loadCoordinatorConfig } = await import('../../src/coordinator/config.ts');
    const { serve } = await import('../../src/coordinator/serve.ts');
    const config = loadCoordinatorConfig(join(coordinator.directory, 'coordinator.toml'));
    const second = serve(config, { environment: {}, log: { write: () => undefined } });
    await expect(second).rejects.toThrow(`process ${process.pid} already serves`);
  });
});
