// Types that the usual backend, a coordinator, does not have.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inDirectory, testCli } from '../helpers/cli.ts';
import { startCoordinator, tokenOf } from '../helpers/coordinator.ts';

async function signedIn() {
  const cli = testCli();
  const { url, fingerprint } = await startCoordinator({ users: { me: {} } });
  const login = ['login', url, '--fingerprint', fingerprint, '--name', 'team', '--user', 'me'];
  expect(await cli(login, { stdin: [tokenOf('me')] })).toMatchObject({ code: 0 });
  return cli;
}

describe('with a coordinator as the default backend', () => {
  it.each([
    [['--isolation', 'none']],
    [['--network', 'host']],
    [['--inherit-env']],
    [['--cache', 'c:x']],
  ])('create %j makes a buildlet of a type that only this machine has', async (options) => {
    const cli = await signedIn();
    const created = await cli(['create', ...options, 'local']);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    expect(created.stdout).toMatch(/^local\/me-local-\d+\n$/);
  });

  it.each([
    ['of the coordinator', ['linux']],
    ['that nobody has', ['nothing']],
    ['where the coordinator was asked for', ['--backend', 'team', 'local']],
  ])('options of this machine are refused for a type %s', async (_what, type) => {
    const cli = await signedIn();
    const { code, stdout, stderr } = await cli(['create', '--isolation', 'none', ...type]);
    expect([code, stdout]).toEqual([expect.any(Number), '']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/--isolation is for this machine only|unknown builder type/);
  });

  it('caches of the project file exist, and no other backend is named', async () => {
    const cli = await signedIn();
    const project = join(cli.directory, 'project');
    mkdirSync(project);
    const file = 'caches = [{ name = "c", path = "kept" }]\n';
    writeFileSync(join(project, '.gomote.toml'), file);
    inDirectory(project);
    const args = ['once', 'local', '--', 'ls', '..'];
    expect(await cli(args)).toEqual({
      code: 0,
      stdout: 'kept\nproject\n',
      stderr: '',
    });
  });

  it("create -setup of a coordinator's type makes one buildlet and builds Go there", async () => {
    const cli = await signedIn();
    const goroot = join(cli.directory, 'goroot');
    mkdirSync(join(goroot, 'src'), { recursive: true });
    writeFileSync(join(goroot, 'src/make.bash'), '#!/bin/sh\necho built\n', { mode: 0o755 });
    const environment = { GOROOT: goroot, TMPDIR: cli.directory };
    const made = await cli(['create', '-setup', 'linux'], { environment });
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S+\nbuilt\n$/) });
    expect((await cli(['list', '-q'])).stdout).toBe(made.stdout.replace('built\n', ''));
  });
});
