// The coordinator as a program: it drains when it is told to end, and hurries when it is told twice.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { Collector } from '../helpers/collect.ts';
import { tokenOf, writeUsers } from '../helpers/coordinator.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const toml = `listen = "unix:socket"
tls = "off"
state-directory = "state"
[pools.here]
kind = "local"
isolation = "none"
host = "host-local"
maximum = 1
`;

async function serving() {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'c.toml'), toml);
  writeUsers(directory, { me: {} });
  const program = join(projectRoot, 'bin/coordinator.js');
  const child: ChildProcess = spawn(process.execPath, [program, 'serve', '--config', 'c.toml'], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => {
    said.out += String(chunk);
  });
  child.stderr?.on('data', (chunk) => {
    said.err += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onTestFinished(() => {
    child.kill('SIGKILL');
    for (const pid of processesWith(directory)) process.kill(pid, 'SIGKILL');
  });
  await until(() => said.out.includes('"event":"pool-open"'));
  const client = new CoordinatorClient({
    auth: { username: 'user-me', password: tokenOf('me') },
    instance: { kind: 'unix', path: join(directory, 'socket') },
  });
  const buildlet = await client.createBuildlet('local');
  onTestFinished(async () => {
    await buildlet.disconnect();
    await client.disconnect();
  });
  const output = new Collector();
  const run = buildlet.exec('sh', {
    args: ['-c', 'echo begun; sleep 1; echo done'],
    systemLevel: true,
    output,
  });
  await until(() => output.text === 'begun\n');
  return { child, said, ended, client, run, output };
}

it('a coordinator that is told to end finishes requests, accepts no more, and exits with 0', async () => {
  const { child, said, ended, run, output } = await serving();
  child.kill('SIGTERM');
  await until(() => said.out.includes('"event":"draining"'));
  expect((await run).ok).toBe(true);
  expect(output.text).toBe('begun\ndone\n');
  expect(await ended).toBe(0);
  expect(said.out.trimEnd().split('\n').at(-1)).toContain('"event":"ended"');
});

it('a coordinator that is told to end twice cuts requests and reports that', async () => {
  const { child, said, ended, run } = await serving();
  child.kill('SIGTERM');
  await until(() => said.out.includes('"event":"draining"'));
  child.kill('SIGTERM');
  await expect(run).rejects.toMatchObject({ code: 'ERR_LOST' });
  expect(await ended).toBe(1);
  expect(said.err).toContain('before running requests were over');
});
