// Users and their tokens, the file they are in, and those who guess.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Authenticator } from '../../../src/coordinator/http/authenticator.ts';
import { Users } from '../../../src/coordinator/state/users.ts';
import { times } from '../../helpers/counts.ts';
import { projectRoot } from '../../helpers/programs.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const users = () => {
  const path = join(temporaryDirectory(), 'users.json');
  return { path, users: new Users(path) };
};

describe('users', () => {
  it('are known by the token that was shown once, and by no other', async () => {
    const { users: some, path } = users();
    const token = await some.add('gopher');
    const admin = await some.add('root', { role: 'admin', maximum: 3 });
    expect(some.check('gopher', token)).toEqual({ name: 'gopher', isAdmin: false });
    expect(some.check('root', admin)).toEqual({ name: 'root', isAdmin: true, maximum: 3 });
    for (const [name, wrong] of [
      ['gopher', admin],
      ['gopher', ''],
      ['nobody', token],
      ['__proto__', token],
      ['constructor', token],
    ] as const) {
      expect(some.check(name, wrong)).toBeUndefined();
    }
    const file = readFileSync(path, 'utf8');
    expect(file).not.toContain(token);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(token).toMatch(/^gomote_[\w-]{43}$/);
  });

  it('have two tokens for a while when one is replaced with an overlap', async () => {
    const { users: some } = users();
    const old = await some.add('gopher');
    const next = await some.rotate('gopher', { overlapMs: 60_000 });
    expect([some.check('gopher', old)?.name, some.check('gopher', next)?.name]).toEqual([
      'gopher',
      'gopher',
    ]);
    const third = await some.rotate('gopher', { overlapMs: 60_000 });
    expect(some.check('gopher', old)).toBeUndefined();
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now + 61_000);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(some.check('gopher', next)).toBeUndefined();
    expect(some.check('gopher', third)?.name).toBe('gopher');
    clock.mockReturnValue(now);
    expect(some.check('gopher', next)?.name).toBe('gopher');
    await some.rotate('gopher');
    expect(some.check('gopher', third)).toBeUndefined();
  });

  it('have tokens that expire, and can be given more time, another role and another limit', async () => {
    const { users: some } = users();
    const expires = new Date(Date.now() + 3_600_000);
    const token = await some.add('gopher', { expires, maximum: 2 });
    expect(some.check('gopher', token)).toMatchObject({ expiresMs: expires.getTime(), maximum: 2 });
    vi.spyOn(Date, 'now').mockReturnValue(expires.getTime() + 1);
    onTestFinished(() => void vi.restoreAllMocks());
    expect(some.check('gopher', token)).toBeUndefined();
    expect(some.check(undefined, token)).toBeUndefined();
    expect(some.current('gopher')).toBeUndefined();
    expect(some.isOver('gopher', token)).toBe(true);
    expect(some.isOver('gopher', 'guess')).toBe(false);
    await some.set('gopher', { expires: null, role: 'admin', maximum: null });
    expect(some.check('gopher', token)).toEqual({ name: 'gopher', isAdmin: true });
    await some.set('gopher', { maximum: 5 });
    expect(some.check(undefined, token)).toEqual({ name: 'gopher', isAdmin: true, maximum: 5 });
    await expect(some.set('nobody', { maximum: 1 })).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('with an unreadable expiry have none of their tokens', async () => {
    const { users: some, path } = users();
    const token = await some.add('gopher', { expires: new Date(Date.now() + 3_600_000) });
    const text = readFileSync(path, 'utf8').replace(/"expires": ".*"/, '"expires": "soon"');
    writeFileSync(path, text);
    expect(some.check('gopher', token)).toBeUndefined();
  });

  it('are seen by a running server when they are added, removed and changed', async () => {
    const { users: server, path } = users();
    const command = new Users(path);
    const first = await command.add('gopher');
    expect(server.check('gopher', first)?.name).toBe('gopher');
    const second = await command.rotate('gopher');
    expect(server.check('gopher', first)).toBeUndefined();
    expect(server.check('gopher', second)?.name).toBe('gopher');
    await command.remove('gopher');
    expect(server.check('gopher', second)).toBeUndefined();
    expect(server.list()).toEqual([]);
  });

  it('have unique names that fit into the name of a buildlet', async () => {
    const { users: some } = users();
    for (const name of ['', 'A', 'a b', 'a/b', '../x', '-a', 'a-', 'x'.repeat(41), 'é']) {
      await expect(some.add(name)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
    await some.add('gopher');
    await expect(some.add('gopher', { role: 'admin' })).rejects.toMatchObject({
      hint: expect.stringContaining('rotate gopher'),
    });
    await expect(some.remove('other')).rejects.toThrow('no user "other"');
    await expect(some.rotate('other')).rejects.toThrow('no user "other"');
  });
});

describe('a users file that cannot be read', () => {
  const broken: [string, (path: string) => void][] = [
    ['is cut short', (path) => writeFileSync(path, '{"users": {"gopher"')],
    ['is empty', (path) => writeFileSync(path, '')],
    ['has another shape', (path) => writeFileSync(path, '{"users": []}')],
    ['has a role that there is not', (path) => writeFileSync(path, '{"users":{"a":{"role":"x"}}}')],
    ['is a directory', (path) => [rmSync(path), mkdirSync(path)]],
    ['is open to others', (path) => chmodSync(path, 0o644)],
    ['is gone', (path) => rmSync(path)],
  ];

  it.each(broken)(
    'leaves the last valid users in force when it %s, and reports that',
    async (_, spoil) => {
      const { path, users: writer } = users();
      const token = await writer.add('gopher');
      const said: (string | undefined)[] = [];
      const server = new Users(path, { onTrouble: (trouble) => said.push(trouble) });
      expect(server.check('gopher', token)?.name).toBe('gopher');
      const good = readFileSync(path, 'utf8');
      // An edit that comes with the damage is not believed.
      if (statSync(path).isFile()) writeFileSync(path, '{"users": {}} ');
      spoil(path);
      expect(server.check('gopher', token)?.name).toBe('gopher');
      expect(server.check('gopher', 'wrong')).toBeUndefined();
      expect(server.trouble).toContain(path);
      expect(said).toEqual([server.trouble]);
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, good.replaceAll('gopher', 'other'), { mode: 0o600 });
      expect(server.check('gopher', token)).toBeUndefined();
      expect(server.check('other', token)?.name).toBe('other');
      expect(said.at(-1)).toBeUndefined();
    },
  );

  it.each(broken.slice(0, 6))('is not overwritten when it %s', async (_, spoil) => {
    const { path, users: writer } = users();
    await writer.add('gopher');
    spoil(path);
    await expect(writer.add('other')).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    });
  });
});

it.runIf(process.getuid?.() === 0).each([
  { what: 'another user’s directory', uid: 65_534, gid: 65_534, mode: 0o600, owner: 65_534 },
  { what: 'a file that root gave to a group', uid: 0, gid: 65_534, mode: 0o640, owner: 0 },
])('coordinator user, started by root, keeps owner, group and mode in $what', (row) => {
  const { uid, gid, mode, owner } = row;
  const directory = mkdtempSync(join(tmpdir(), 'gomote-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const config = join(directory, 'coordinator.toml');
  writeFileSync(
    config,
    [
      'listen = "127.0.0.1:0"',
      'state-directory = "state"',
      'users-file = "service/users.json"',
      '[hosts.host]',
      '[builders.linux]',
      'host = "host"',
      '[pools.local]',
      'kind = "local"',
      'host = "host"',
      'maximum = 1',
    ].join('\n'),
  );
  const service = join(directory, 'service');
  mkdirSync(service, { mode: 0o755 });
  chmodSync(directory, 0o755);
  chownSync(service, owner, gid);
  const path = join(service, 'users.json');
  const run = (...args: string[]) =>
    execFileSync(join(projectRoot, 'bin/coordinator.js'), ['user', ...args, '--config', config]);
  const access = () => {
    const found = statSync(path);
    return [found.uid, found.gid, found.mode & 0o777];
  };
  run('add', 'first');
  if (owner !== 0) expect(access()).toEqual([uid, gid, 0o600]);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  run('add', 'second');
  run('rotate', 'first');
  expect(access()).toEqual([uid, gid, mode]);
  run('remove', 'second');
  expect(access()).toEqual([uid, gid, mode]);
});

describe('the users file', () => {
  const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', 'nobody', ''];
  const tokens = ['', 'undefined', 'null', ' '];

  it.each(names)('admits no "%s" when it is missing, empty or removed', async (name) => {
    const { users: some, path } = users();
    const refuseAll = () => {
      for (const token of tokens) expect(some.check(name, token)).toBeUndefined();
      expect(some.current(name)).toBeUndefined();
    };
    refuseAll();
    expect(some.isEmpty).toBe(true);
    writeFileSync(path, '{"users": {}}', { mode: 0o600 });
    refuseAll();
    await some.add('gopher');
    refuseAll();
    rmSync(path);
    refuseAll();
  });

  const hashes = [
    '',
    ' ',
    '0',
    'zz',
    'e3b0',
    `${'a'.repeat(63)}`,
    `${'a'.repeat(65)}`,
    `${'z'.repeat(64)}`,
  ];

  it.each(hashes)('admits no token for the token hash "%s"', (tokenHash) => {
    const { users: some, path } = users();
    const record = { role: 'admin', tokenHash, created: '2026-11-24T00:00:00Z' };
    writeFileSync(path, JSON.stringify({ users: { gopher: record } }), { mode: 0o600 });
    for (const token of tokens) expect(some.check('gopher', token)).toBeUndefined();
    expect(some.isEmpty).toBe(true);
  });

  it.each([undefined, null, 7, [], {}])(
    'locks out only the user whose token hash is %j',
    async (tokenHash) => {
      const { users: some, path } = users();
      const token = await some.add('other');
      const file: { users: object } = JSON.parse(readFileSync(path, 'utf8'));
      const record = { role: 'admin', tokenHash, created: '2026-11-24T00:00:00Z' };
      writeFileSync(path, JSON.stringify({ users: { ...file.users, gopher: record } }));
      for (const wrong of tokens) expect(some.check('gopher', wrong)).toBeUndefined();
      expect(some.check('other', token)?.name).toBe('other');
    },
  );

  it('admits no empty token for its hash', () => {
    const { users: some, path } = users();
    const tokenHash = createHash('sha256').update('').digest('hex');
    const record = { role: 'admin', tokenHash, created: '2026-11-24T00:00:00Z' };
    writeFileSync(path, JSON.stringify({ users: { gopher: record } }), { mode: 0o600 });
    expect(some.check('gopher', '')).toBeUndefined();
  });

  it('may have a user called constructor', async () => {
    const { users: some, path } = users();
    const token = await some.add('constructor');
    await some.add('gopher');
    expect(some.check('constructor', token)?.name).toBe('constructor');
    expect(new Users(path).list().map(({ name }) => name)).toEqual(['constructor', 'gopher']);
    await expect(some.add('constructor', { role: 'admin' })).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
    await some.remove('constructor');
    expect(some.check('constructor', token)).toBeUndefined();
  });
});

describe('the authenticator', () => {
  it('accepts the right token at once, however many wrong ones came before', async () => {
    const { users: some } = users();
    const token = await some.add('gopher');
    const lines: object[] = [];
    const authenticator = new Authenticator(some, {
      write: (event, more) => lines.push({ event, ...more }),
    });
    const count = times(400, 10_000);
    const guesses = Array.from({ length: count }, (_, i) =>
      authenticator.authenticate(`user-gopher`, `guess ${i}`, '192.0.2.1'),
    );
    const right = await Promise.race([
      authenticator.authenticate('user-gopher', token, '192.0.2.1'),
      Promise.all(guesses),
    ]);
    expect(right).toMatchObject({ user: { name: 'gopher' } });
    expect(lines.length).toBe(count);
    expect(lines[0]).toMatchObject({ event: 'wrong-token', user: 'user-gopher', count: 1 });
    expect(JSON.stringify(lines)).not.toContain('guess');
  });

  it('logs no unknown user name, which may be a misplaced token', async () => {
    const { users: some } = users();
    const token = await some.add('gopher');
    const lines: object[] = [];
    const authenticator = new Authenticator(some, {
      write: (_, fields = {}) => lines.push(fields),
    });
    for (const name of [
      token,
      `user-${token}`,
      token.slice(0, 20),
      'user-nobody',
      'user-__proto__',
      '',
    ]) {
      await authenticator.authenticate(name, 'x', `from ${name.length}`);
    }
    await authenticator.authenticate('user-gopher', 'x', 'a');
    expect(lines.map((line) => 'user' in line && line.user)).toEqual([
      ...Array(6).fill('unknown'),
      'user-gopher',
    ]);
  });

  it('requires the prefix, and answers an obvious mistake without delay', async () => {
    const { users: some } = users();
    const token = await some.add('gopher');
    const authenticator = new Authenticator(some, { write: () => undefined });
    const wrong = { status: 401, text: 'bad username or password' };
    expect(await authenticator.authenticate('gopher', token, 'a')).toEqual(wrong);
    expect(await authenticator.authenticate('user-gopher', `${token}x`, 'a')).toEqual(wrong);
  });
});
