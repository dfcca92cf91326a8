// Changes of users in the audit trail: who made them, when, and what, whether or not a coordinator runs meanwhile.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCoordinatorConfig } from '../../src/coordinator/config.ts';
import { serve } from '../../src/coordinator/serve.ts';
import { Users } from '../../src/coordinator/state/users.ts';
import { ask, startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';

const rowsOf = ({ directory }: TestCoordinator): Record<string, unknown>[] =>
  readFileSync(join(directory, 'state', 'audit.jsonl'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.includes('"user-changed"') ? [JSON.parse(line)] : []));

const pathOf = ({ directory }: TestCoordinator): string => join(directory, 'state', 'users.json');

/** As `coordinator user` run by somebody. */
const alice = (coordinator: TestCoordinator): Users =>
  new Users(pathOf(coordinator), { by: 'local:alice' });

const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
const byAlice = { at: moment, by: 'local:alice' };

const command = ({ directory }: TestCoordinator, args: string[], env: NodeJS.ProcessEnv = {}) =>
  execFileSync(
    join(projectRoot, 'bin/coordinator.js'),
    ['user', ...args, '--config', join(directory, 'coordinator.toml')],
    { env: { PATH: process.env.PATH, ...env } },
  );

describe('the audit trail has changes of users', () => {
  it('each with who ran the command, also without a request', async () => {
    const coordinator = await startCoordinator();
    const { username } = userInfo();
    const isRoot = process.getuid?.() === 0;
    command(coordinator, ['add', 'new', '--role', 'admin']);
    command(coordinator, ['set', 'new', '--role', 'user', '--maximum', '2'], { SUDO_USER: 'eve' });
    command(coordinator, ['rotate', 'new']);
    command(coordinator, ['remove', 'new']);
    await until(() => rowsOf(coordinator).length === 4);
    const by = `local:${username}`;
    expect(rowsOf(coordinator)).toMatchObject([
      { user: 'new', what: 'added', at: moment, by },
      { user: 'new', what: 'role, maximum', at: moment, by: isRoot ? `${by} (eve)` : by },
      { user: 'new', what: 'token', at: moment, by },
      { user: 'new', what: 'removed', at: moment, by },
    ]);
    expect(readFileSync(join(coordinator.directory, 'state', 'audit.jsonl'), 'utf8')).not.toMatch(
      /[0-9a-f]{64}/,
    );
  });

  it('that were made while no coordinator ran, and just before one ended, once each', async () => {
    const coordinator = await startCoordinator();
    await alice(coordinator).add('before');
    await coordinator.restart(() => command(coordinator, ['add', 'stopped']));
    const expected = [
      { user: 'before', what: 'added', ...byAlice },
      { user: 'stopped', what: 'added', at: moment, by: expect.stringMatching(/^local:/) },
    ];
    await until(() => rowsOf(coordinator).length === 2);
    expect(rowsOf(coordinator)).toMatchObject(expected);
    await coordinator.restart();
    await ask(coordinator, '/readyz');
    expect(rowsOf(coordinator)).toMatchObject(expected);
  });

  it('by an unknown user when the file was edited, beside those of commands', async () => {
    const coordinator = await startCoordinator({ users: { me: {}, you: {} } });
    await coordinator.restart(() => {
      const path = pathOf(coordinator);
      const file = JSON.parse(readFileSync(path, 'utf8'));
      file.users.me.role = 'admin';
      const { you, ...others } = file.users;
      writeFileSync(path, JSON.stringify({ ...file, users: { ...others, mallory: you } }));
      command(coordinator, ['set', 'me', '--maximum', '7']);
    });
    await until(() => rowsOf(coordinator).length === 4);
    const by = 'unknown';
    expect(rowsOf(coordinator)).toMatchObject([
      { user: 'me', what: 'maximum', by: expect.stringMatching(/^local:/) },
      { user: 'mallory', what: 'added', by },
      { user: 'me', what: 'role', by },
      { user: 'you', what: 'removed', by },
    ]);
  });

  it('that the file records, however damaged its records are', async () => {
    const coordinator = await startCoordinator();
    for (const changes of [7, {}, [1], [{ user: 'x' }], null]) {
      const file = JSON.parse(readFileSync(pathOf(coordinator), 'utf8'));
      writeFileSync(pathOf(coordinator), JSON.stringify({ ...file, changes }));
      expect((await ask(coordinator, '/buildlet/list', { user: 'me' })).status).toBe(200);
    }
    await alice(coordinator).add('new');
    await until(() => rowsOf(coordinator).length > 0);
    expect(rowsOf(coordinator)).toMatchObject([{ user: 'new', what: 'added', ...byAlice }]);
  });
});

describe('a coordinator that starts with a broken users file', () => {
  const broken: [string, (path: string) => void][] = [
    ['is cut short', (path) => writeFileSync(path, '{"users": {"me"')],
    ['is empty', (path) => writeFileSync(path, '')],
    ['is a directory', (path) => [rmSync(path), mkdirSync(path)]],
    ['is open to others', (path) => chmodSync(path, 0o644)],
    ['is gone', (path) => rmSync(path)],
  ];

  it.each(broken)(
    'uses the users of the last valid one, and reports that: it %s',
    async (_, spoil) => {
      const coordinator = await startCoordinator({ users: { me: {}, root: { role: 'admin' } } });
      const path = pathOf(coordinator);
      const good = readFileSync(path);
      await coordinator.restart(() => spoil(path));
      const copy = join(coordinator.directory, 'state', 'users-copy.json');
      expect(statSync(copy).mode & 0o777).toBe(0o600);
      const status = async () => (await ask(coordinator, '/buildlet/list', { user: 'me' })).status;
      expect(await status()).toBe(200);
      expect((await ask(coordinator, '/buildlet/list', { user: 'else' })).status).toBe(401);
      expect(coordinator.log).toContainEqual({
        ...{ event: 'trouble', hint: 'the users that it had before are known' },
        what: expect.stringContaining(path),
      });
      await until(async () => (await ask(coordinator, '/readyz')).status === 200);
      expect((await ask(coordinator, '/readyz')).text).toContain('the users file cannot be read');
      const { text } = await ask(coordinator, '/metrics', { user: 'root' });
      expect(text).toContain('gomote_trouble{what="users"} 1');
      await coordinator.restart();
      expect(await status()).toBe(200);
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, good, { mode: 0o600 });
      await until(() => coordinator.log.some(({ event }) => event === 'users-read'));
      expect((await ask(coordinator, '/readyz')).text).toBe('ready\n');
      expect(rowsOf(coordinator)).toEqual([]);
    },
  );

  it.each(broken.slice(0, 4))(
    'does not start when it never had a valid one: it %s',
    async (_, spoil) => {
      const coordinator = await startCoordinator();
      await coordinator.drain(0);
      rmSync(join(coordinator.directory, 'state', 'users-copy.json'));
      spoil(pathOf(coordinator));
      const config = loadCoordinatorConfig(join(coordinator.directory, 'coordinator.toml'));
      const log = { write: () => undefined };
      await expect(serve(config, { environment: {}, log })).rejects.toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringContaining(pathOf(coordinator)),
      });
    },
  );
});
