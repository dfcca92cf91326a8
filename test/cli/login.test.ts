// Logging in to a coordinator: what is asked, what is kept, and what is refused.
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addLogin, readLogins } from '../../src/gomote/config/logins.ts';
import { testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const stdin = [`${tokenOf('me')}\n`];

async function setUp() {
  const coordinator = await startCoordinator({ users: { me: { role: 'admin' } } });
  const cli = testCli();
  const { url, fingerprint } = coordinator;
  const directory = join(cli.directory, 'config', 'gomote');
  const login = (...more: string[]) =>
    cli(['login', url, '--fingerprint', fingerprint, ...more], { stdin });
  return { coordinator, cli, url, fingerprint, directory, login };
}

describe('login', () => {
  it('makes the coordinator the default backend, in files that only the user can read', async () => {
    const { cli, url, directory, login } = await setUp();
    expect(await login()).toEqual({
      code: 0,
      stdout: '',
      stderr: `gomote: logged in to ${url} as me: backend "team", the default\n`,
    });
    expect(readdirSync(directory).sort()).toEqual(['logins.toml', 'team-user-me.token']);
    for (const file of readdirSync(directory)) {
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    }
    expect(await cli(['whoami'])).toMatchObject({
      stdout: 'local\tme\nteam\tme\tadmin\t0 of 20 buildlets\n',
    });
    expect(await cli(['types'])).toMatchObject({ code: 0, stdout: 'linux\thost-linux\n' });
    expect(await cli(['create', 'linux'])).toMatchObject({ stdout: 'user-me-linux-0\n' });
    // The type's environment comes from the coordinator, without a line of configuration.
    const ran = await cli(['run', 'user-me-linux-0', '/bin/sh', '-c', 'echo $FROM_TYPE']);
    expect(ran).toMatchObject({ code: 0, stdout: 'yes\n' });
    expect(await cli(['extend', 'user-me-linux-0', '2h'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^gomote: user-me-linux-0 expires in (2h0m0s|1h59m)/),
    });
    expect(await cli(['logout'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readdirSync(directory)).toEqual(['logins.toml']);
    expect(readFileSync(join(directory, 'logins.toml'), 'utf8')).not.toContain('team');
    expect((await cli(['list'])).code).toBe(0);
  });

  it('reports with --json what was made, and logout what was forgotten', async () => {
    const { cli, url, fingerprint, login } = await setUp();
    const made = await login('--json');
    expect({ ...made, stdout: JSON.parse(made.stdout) }).toMatchObject({
      code: 0,
      stdout: { backend: 'team', url, user: 'me', isDefault: true, fingerprint },
    });
    const logout = await cli(['logout', '--json']);
    expect(JSON.parse(logout.stdout)).toEqual({ backend: 'team' });
  });

  it('shows the certificate, and trusts none that the user has not confirmed', async () => {
    const { cli, url, fingerprint, directory } = await setUp();
    const { code, stderr } = await cli(['login', url], { stdin });
    expect(code).not.toBe(0);
    expect(stderr).toContain(`the certificate of ${url} is ${fingerprint}`);
    expect(stderr).toContain(`--fingerprint ${fingerprint}`);
    const wrong = await cli(['login', url, '--fingerprint', `sha256:${'0'.repeat(64)}`], { stdin });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('another certificate')]);
    expect(() => readdirSync(directory)).toThrow('ENOENT');
  });

  it('keeps nothing when the token is wrong, and never prints it', async () => {
    const { cli, url, fingerprint, directory } = await setUp();
    for (const token of ['wrong-token-of-mine', '', 'two\nlines']) {
      const argv = ['login', url, '--fingerprint', fingerprint];
      const { code, stderr } = await cli(argv, { stdin: [token] });
      expect(code).not.toBe(0);
      expect(stderr).not.toContain('wrong-token-of-mine');
      expect(() => readdirSync(directory)).toThrow('ENOENT');
    }
  });

  it('may run twice at once, for two coordinators', async () => {
    const directory = temporaryDirectory();
    const names = Array.from({ length: 8 }, (_, i) => `team-${i}`);
    const login = { url: 'https://localhost:1', user: 'me', token: 'secret' };
    await Promise.all(names.map((name) => addLogin(directory, name, login)));
    const { backends } = await readLogins(directory);
    expect([...backends.keys()].sort()).toEqual(names);
  });

  it('takes the token from a file, and another name for a second coordinator', async () => {
    const { cli, login, directory } = await setUp();
    const file = join(cli.directory, 'token');
    writeFileSync(file, tokenOf('me'), { mode: 0o644 });
    expect(await login('--token-file', file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('can be read by others (mode 0644)'),
    });
    chmodSync(file, 0o600);
    expect(await login('--token-file', file)).toMatchObject({ code: 0 });
    const other = await startCoordinator({ users: { gopher: {} } });
    const argv = ['login', other.url, '--fingerprint', other.fingerprint, '--user', 'gopher'];
    const given = { stdin: [tokenOf('gopher')] };
    const taken = await cli(argv, given);
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('"team" already')]);
    expect(await cli([...argv, '--name', 'other'], given)).toMatchObject({ code: 0 });
    expect(readdirSync(directory)).toContain('other-user-gopher.token');
    expect(await cli(['whoami'])).toMatchObject({
      stdout:
        'local\tme\nteam\tme\tadmin\t0 of 20 buildlets\nother\tgopher\tuser\t0 of 20 buildlets\n',
    });
    expect(await cli(['create', 'linux', '--backend', 'other'])).toMatchObject({
      stdout: 'other/user-gopher-linux-0\n',
    });
    await cli(['create', 'linux']);
    const { stdout } = await cli(['list']);
    expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
      'user-me-linux-0',
      'other/user-gopher-linux-0',
      '',
    ]);
  });

  it.each([
    ['http://example.com', 'use https'],
    ['https://example.com/path', 'host and port alone'],
    ['ftp://example.com', 'give https://'],
  ])('refuses %s', async (url, why) => {
    const { code, stderr } = await testCli()(['login', url], { stdin });
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
  });
});
