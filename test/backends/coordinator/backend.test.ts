// The command line against a coordinator, beside the local backend.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Cli, testCli } from '../../helpers/cli.ts';
import { startCoordinator } from '../../helpers/coordinator.ts';

const token = 'a token of the test';

/** Writes the configuration: the lines, and the user's token, for the default backend and for `team`. */
function configure(cli: Cli, toml: string): void {
  const directory = join(cli.directory, 'config', 'gomote');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config.toml'), toml);
  for (const name of ['user-me.token', 'team-user-me.token']) {
    writeFileSync(join(directory, name), `${token}\n`, { mode: 0o600 });
  }
}

async function setUp(isDefault: boolean) {
  const coordinator = await startCoordinator({ users: { me: { token } } });
  const cli = testCli();
  configure(
    cli,
    [
      ...(isDefault ? ['default = "team"'] : []),
      '[backends.team]',
      `url = "${coordinator.url}"`,
      `fingerprint = "${coordinator.fingerprint}"`,
      '[hosts.host-linux]',
      '[builders.linux]',
      'host = "host-linux"',
      'env = ["FROM_TYPE=yes"]',
    ].join('\n'),
  );
  return { cli, coordinator };
}

it('creates, runs with the true status, moves bytes and destroys through the coordinator', async () => {
  const { cli, coordinator } = await setUp(true);
  expect(await cli(['create', 'linux'])).toEqual({
    code: 0,
    stdout: 'user-me-linux-0\n',
    stderr: '',
  });
  const ran = await cli(['run', 'user-me-linux-0', '/bin/sh', '-c', 'echo $FROM_TYPE; exit 7']);
  expect(ran).toEqual({ code: 7, stdout: 'yes\n', stderr: '' });
  const put = await cli(['put', 'user-me-linux-0', '-', 'dir/file'], { stdin: ['some bytes'] });
  expect(put).toMatchObject({ code: 0 });
  expect(await cli(['run', 'user-me-linux-0', 'cat', 'dir/file'])).toMatchObject({
    code: 0,
    stdout: 'some bytes',
  });
  expect((await cli(['list'])).stdout).toMatch(/^user-me-linux-0\tlinux\texpires in /);
  expect(await cli(['destroy', 'user-me-linux-0'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect((await cli(['list'])).stdout).toBe('');
  expect(coordinator.log.map(({ event }) => event)).not.toContain('wrong-token');
});

it('gomote ls lists every backend, and commands accept names of other backends as BACKEND/NAME', async () => {
  const { cli } = await setUp(false);
  expect(await cli(['create', 'local'])).toMatchObject({ code: 0, stdout: 'me-local-0\n' });
  await cli(['--backend', 'team', 'create', 'linux']);
  const { stdout } = await cli(['list']);
  expect(stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([
    'me-local-0',
    'team/user-me-linux-0',
    '',
  ]);
  // A name is looked up in the chosen backend alone.
  const unknown = await cli(['ping', 'user-me-linux-0']);
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('"user-me-linux-0"')]);
  expect(await cli(['run', 'team/user-me-linux-0', 'true'])).toMatchObject({ code: 0 });
  expect(await cli(['ping', 'user-me-linux-0', '--backend', 'team'])).toMatchObject({ code: 0 });
  expect(await cli(['destroy', 'team/user-me-linux-0'])).toMatchObject({ code: 0 });
  expect((await cli(['list'])).stdout).toMatch(/^me-local-0\t[^\n]*\n$/);
});

it('gomote ls names a backend that cannot be reached, and lists the others', async () => {
  const cli = testCli();
  configure(cli, '[backends.away]\nurl = "https://127.0.0.1:1"\n');
  await cli(['create', 'local']);
  const { code, stdout, stderr } = await cli(['list']);
  expect(stdout).toMatch(/^me-local-0\t/);
  expect(stderr).toMatch(/^gomote: .*backend "?away\b.*\n/);
  expect(code).not.toBe(0);
});

it('the client sends nothing, above all no token, to a server with another certificate', async () => {
  const coordinator = await startCoordinator({ users: { me: { token } } });
  const cli = testCli();
  configure(
    cli,
    `default = "team"\n[backends.team]\nurl = "${coordinator.url}"\nfingerprint = "sha256:${'0'.repeat(64)}"\n`,
  );
  const { code, stderr } = await cli(['list']);
  expect(code).not.toBe(0);
  expect(stderr).toContain('not the pinned one');
  expect(stderr).not.toContain(token);
  expect(coordinator.log.filter(({ event }) => event === 'request')).toEqual([]);
});

it('an error says that a name is unknown to the coordinator', async () => {
  const { cli } = await setUp(true);
  for (const argv of [
    ['run', 'nope', 'true'],
    ['destroy', 'nope'],
  ]) {
    const { code, stderr } = await cli(argv);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^gomote: team: "nope": .*\n/);
    expect(stderr).toContain('gomote list');
  }
});

it('gomote reap says that a coordinator has nothing to reap', async () => {
  const { cli } = await setUp(true);
  const { code, stderr } = await cli(['reap']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('"team" leaves nothing to reap')]);
});
