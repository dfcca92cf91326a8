// gomote doctor: what may keep gomote from working.
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Context } from '../../src/cli/context.ts';
import { checkBackends } from '../../src/cli/doctor/backends.ts';
import { within } from '../../src/cli/doctor/finding.ts';
import { checkLimits, checkPrograms } from '../../src/cli/doctor/machine.ts';
import { type Cli, testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Found {
  check: string;
  state: string;
  message: string;
  cure?: string;
}

async function doctor(cli: Cli, ...args: string[]) {
  const { code, stdout, stderr } = await cli(['doctor', '--json', ...args]);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Found[] };
  expect(code).toBe(ok ? 0 : 1);
  expect(stderr).toBe('');
  for (const { state, cure } of findings) {
    expect(state === 'ok' ? cure : (cure?.length ?? 0) > 5).toBe(state === 'ok' ? undefined : true);
  }
  return findings;
}

function configure(cli: Cli, config: string): void {
  const directory = join(cli.directory, 'config/gomote');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config.toml'), config);
}

const find = (findings: readonly Found[], check: string, state?: string) =>
  findings.find((one) => one.check === check && (state === undefined || one.state === state));

it('doctor reports no problem on a sound system, changes nothing, and lists what it checked', async () => {
  const cli = testCli();
  const before = readdirSync(cli.directory, { recursive: true });
  const findings = await doctor(cli);
  expect(readdirSync(cli.directory, { recursive: true })).toEqual(before);
  for (const check of ['gomote', 'node', 'configuration', 'program git', 'backend local']) {
    expect(find(findings, check)).toMatchObject({ state: 'ok' });
  }
  const { stdout } = await cli(['doctor']);
  expect(stdout).toMatch(/^ok {7}backend local: answers; you are me; 0 buildlets$/m);
});

it('doctor shows a missing program, as a problem only where a backend needs it', async () => {
  const cli = testCli();
  const environment = { PATH: temporaryDirectory() };
  const { code, stdout } = await cli(['doctor'], { environment });
  expect([code, stdout]).toEqual([
    0,
    expect.stringMatching(/^warning {2}program ssh: not found\n {9}install ssh/m),
  ]);
  configure(cli, '[backends.hosts]\nkind = "ssh"\nhosts = ["nobody@127.0.0.1"]\n');
  const other = await cli(['doctor', '--json'], { environment });
  expect(other.code).toBe(1);
  expect(find(JSON.parse(other.stdout).findings, 'program ssh')).toMatchObject({
    state: 'problem',
  });
});

it('doctor shows a configuration that cannot be read, and what still works', async () => {
  const cli = testCli();
  configure(cli, 'default = "nosuch"\n');
  const findings = await doctor(cli);
  expect(find(findings, 'configuration')).toMatchObject({
    state: 'problem',
    message: expect.stringContaining('nosuch'),
  });
  expect(find(findings, 'program git')).toMatchObject({ state: 'ok' });
});

it('doctor shows each backend that does not answer, without delaying the others', async () => {
  const cli = testCli();
  configure(
    cli,
    '[backends.team]\nurl = "https://127.0.0.1:1"\n[backends.notoken]\nurl = "https://127.0.0.1:1"\nuser = "you"\n',
  );
  writeFileSync(join(cli.directory, 'config/gomote/user-me.team.token'), 'secret-token\n', {
    mode: 0o600,
  });
  const findings = await doctor(cli);
  expect(find(findings, 'backend team')).toMatchObject({ state: 'problem' });
  expect(find(findings, 'backend notoken')).toMatchObject({ state: 'problem' });
  expect(find(findings, 'backend local')).toMatchObject({ state: 'ok' });
  expect(JSON.stringify(findings)).not.toContain('secret-token');
  // The one that is asked for is the one that is looked at.
  expect((await doctor(cli, '--backend', 'local')).map(({ check }) => check)).not.toContain(
    'backend team',
  );
});

it('doctor names dead buildlets with the command that removes them, and does not remove them', async () => {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const record = join(cli.directory, 'gomote', name, 'record.json');
  process.kill(JSON.parse(readFileSync(record, 'utf8')).pid, 'SIGKILL');
  await until(async () => (await cli(['list'])).stdout.includes('died'));
  for (const _ of [1, 2]) {
    expect(find(await doctor(cli), 'backend local', 'warning')).toMatchObject({
      message: expect.stringContaining(name),
      cure: 'gomote reap --backend local',
    });
  }
  await cli(['reap']);
  expect(find(await doctor(cli), 'backend local', 'warning')).toBeUndefined();
});

it.each([
  ['behind', -3_600_000, /^1h0m0s behind|^(59m|1h)/],
  ['ahead', 3_600_000, /ahead of this machine/],
])('doctor detects a coordinator’s clock that is %s', async (_, offMs, message) => {
  const cli = testCli();
  const server = createServer((request, response) => {
    response.setHeader('Date', new Date(Date.now() + offMs).toUTCString());
    response.statusCode = request.url?.includes('types') ? 404 : 200;
    response.end('[]');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  configure(cli, `default = "team"\n[backends.team]\nurl = "${url}"\n`);
  writeFileSync(join(cli.directory, 'config/gomote/user-me.token'), 'token\n', { mode: 0o600 });
  expect(find(await doctor(cli), 'clock of team')).toMatchObject({
    state: 'warning',
    message: expect.stringMatching(message),
  });
});

it('doctor keeps its time limits', async () => {
  const never = new Promise<string>(() => undefined);
  expect(
    await within(
      1,
      () => never,
      () => 'late',
    ),
  ).toBe('late');
  const aborted = within(
    1,
    async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw new Error('aborted');
    },
    () => 'late',
  );
  expect(await aborted).toBe('late');
});

it('doctor on Windows reports that no buildlets run there, and looks for no program that Windows lacks', async () => {
  const context = { backends: { isGiven: false } } as Context;
  expect(await checkBackends(undefined, context, 'win32')).toEqual([
    expect.objectContaining({ state: 'warning', message: expect.stringContaining('Windows') }),
  ]);
  const programs = await checkPrograms(undefined, { PATH: '' }, 'win32');
  expect(programs.map(({ check }) => check)).toEqual([
    'program git',
    'program ssh',
    'program docker',
  ]);
});

it('doctor reports what would limit local buildlets, as their status does', async () => {
  const cli = testCli();
  const message = find(await doctor(cli), 'limits of local buildlets')?.message ?? '';
  const options = ['--memory', '1g', '--cpus', '1'];
  const name = (await cli(['create', ...options, 'local'])).stdout.trim();
  const { limits } = JSON.parse((await cli(['ping', '--status', name])).stdout) as {
    limits: { resource: string; by: string }[];
  };
  const words: Record<string, string> = {
    cgroup: 'by a control group',
    process: 'for each process only',
    nothing: 'by nothing',
  };
  expect(limits).toHaveLength(2);
  for (const { resource, by } of limits) expect(message).toContain(`${resource} ${words[by]}`);
});

it.each([
  ['memory cpu pids', 'ok', /^memory by a control group; cpus by a control group; pids by a /],
  ['memory', 'warning', /^memory by a control group; cpus by nothing; pids by nothing/],
  ['', 'warning', /^memory for each process only \(prlimit\); cpus by nothing; pids by nothing/],
])(
  'doctor on a machine with the controllers “%s” shows what enforces limits',
  (controllers, state, message) => {
    const root = temporaryDirectory();
    const group = join(root, 'sys/fs/cgroup/user.slice', `gomote-${process.pid}`);
    mkdirSync(group, { recursive: true });
    mkdirSync(join(root, 'proc/self'), { recursive: true });
    writeFileSync(join(root, 'proc/self/cgroup'), '0::/user.slice/a.service\n');
    const files = { memory: 'memory.max', cpu: 'cpu.max', pids: 'pids.max' };
    for (const [controller, file] of Object.entries(files)) {
      if (controllers.includes(controller)) writeFileSync(join(group, file), 'max');
    }
    for (const directory of [dirname(group), group]) {
      writeFileSync(join(directory, 'cgroup.controllers'), controllers);
    }
    expect(checkLimits(root)).toEqual([
      expect.objectContaining({ state, message: expect.stringMatching(message) }),
    ]);
    expect(checkLimits(root, 'darwin')).toEqual([]);
  },
);
