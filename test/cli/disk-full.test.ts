// The disk is full where a transfer goes to: a clear error, and nothing half-written.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { missing } from '../helpers/tools.ts';

/** A file system of 1 MiB, gone with the test; undefined when this user may not mount. */
function mountSmall(directory: string): boolean {
  const options = ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', directory];
  return spawnSync('mount', options, { stdio: 'ignore' }).status === 0;
}

function smallDisk(): string {
  const directory = temporaryDirectory();
  expect(mountSmall(directory)).toBe(true);
  onTestFinished(() => void execFileSync('umount', ['-l', directory]));
  return directory;
}

function canMount(): boolean {
  const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const can = mountSmall(directory);
  if (can) execFileSync('umount', [directory]);
  else missing('this user may not mount a tmpfs');
  execFileSync('rmdir', [directory]);
  return can;
}

const content = randomBytes(3 << 20);

describe.runIf(canMount()).each([
  ['a buildlet', undefined],
  ['an old buildlet', []],
])('a full disk and %s', (_what, features) => {
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

  it.each(['put', 'puttar'])('on the buildlet: %s', async (command) => {
    const workDir = smallDisk();
    const buildlet = await startBuildlet({ features, address, workDir });
    const here = temporaryDirectory();
    mkdirSync(join(here, 'tree'));
    writeFileSync(join(here, 'tree/big'), content);
    writeFileSync(join(workDir, 'big'), 'old');
    const source = command === 'put' ? 'tree/big' : 'tree';
    const cli = testCli();
    const name = `local@${buildlet.address}`;
    const { code, stderr } = await cli([command, name, join(here, source)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gomote: .*no space left on device.*\n$/);
    await until(() => readdirSync(workDir).length === 1);
    expect(readFileSync(join(workDir, 'big'), 'utf8')).toBe('old');
  });

  it.each(['get', 'gettar'])('here: %s', async (command) => {
    const buildlet = await startBuildlet({ features, address });
    writeFileSync(join(buildlet.workDir, 'big'), content);
    const here = smallDisk();
    const file = join(here, 'file');
    const name = `local@${buildlet.address}`;
    const argv = command === 'get' ? ['get', name, 'big', file] : ['gettar', name, '-o', file];
    const { code, stderr } = await testCli()(argv);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gomote: .*no space left on device.*\n$/);
    expect(readdirSync(here)).toEqual([]);
  });
});

it.runIf(canMount())('a push of an empty directory to a full disk fails', async () => {
  const cli = testCli();
  const environment = { XDG_STATE_HOME: smallDisk() };
  const { stdout } = await cli(['create', 'local'], { environment });
  const name = stdout.trim();
  const filler = join(environment.XDG_STATE_HOME, 'filler');
  for (const size of [1 << 16, 1 << 10, 1]) {
    spawnSync('dd', ['if=/dev/zero', `of=${filler}.${size}`, `bs=${size}`], { stdio: 'ignore' });
  }
  const argv = ['push', '--dest', 'tree', name, temporaryDirectory()];
  const { code, stderr } = await cli(argv, { environment });
  expect(stderr).toMatch(/no space left on device/);
  expect(code).toBe(1);
});
