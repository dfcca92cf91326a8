// A failure that no code waits for is a fault of the program: it is logged with where it was and counted, and ends nobody's work.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { tokenOf, writeUsers } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { buildletProgram, projectRoot } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Loaded into the program before its own code: a promise without a handler fails at each signal. */
const fault = `process.on('SIGUSR2', function faultOfTheTest() {
  void Promise.reject(new Error('nobody waits for this'));
});`;

function startWithFault(directory: string, program: string, ...args: string[]) {
  const preloaded = join(directory, 'fault.cjs');
  writeFileSync(preloaded, fault);
  const child: ChildProcess = spawn(process.execPath, ['--require', preloaded, program, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  }
  return {
    output: () => output,
    /** Resolves when the log tells of that failure. */
    fail: async (said: string) => {
      child.kill('SIGUSR2');
      await until(() => output.includes(said));
    },
  };
}

it('a buildlet logs and counts an unhandled rejection, and continues', async () => {
  const directory = temporaryDirectory();
  const socket = `unix:${join(directory, 'socket')}`;
  const program = startWithFault(directory, buildletProgram, '--listen', socket);
  await until(() => program.output().includes(`${socket}\n`));
  for (const count of [1, 2]) {
    await program.fail(`unhandled failure ${count}: Error: nobody waits for this`);
  }
  expect(program.output()).toContain('faultOfTheTest');
  const client = new BuildletClient(socket);
  onTestFinished(() => client.disconnect());
  expect(await client.exec('true', { systemLevel: true })).toMatchObject({ exitCode: 0 });
});

it('a coordinator logs and counts an unhandled rejection, and continues', async () => {
  const directory = temporaryDirectory();
  const lines = ['listen = "unix:socket"', 'tls = "off"', 'state-directory = "state"'];
  const types = ['[hosts.host]', '[builders.linux]', 'host = "host"'];
  const pool = ['[pools.dialling]', 'kind = "reverse"', 'host = "host"', 'key-file = "key"'];
  writeFileSync(join(directory, 'key'), 'key\n', { mode: 0o600 });
  writeFileSync(join(directory, 'coordinator.toml'), [...lines, ...types, ...pool].join('\n'));
  writeUsers(directory, { me: {} });
  const coordinatorProgram = join(projectRoot, 'bin/coordinator.js');
  const args = ['serve', '--config', 'coordinator.toml'];
  const program = startWithFault(directory, coordinatorProgram, ...args);
  await until(() => program.output().includes('"event":"listening"'));
  for (const count of [1, 2]) await program.fail(`"count":${count}`);
  const told = program
    .output()
    .split('\n')
    .filter((line) => line.includes('"event":"unhandled"'))
    .map((line) => JSON.parse(line));
  expect(told).toMatchObject([1, 2].map((count) => ({ what: 'nobody waits for this', count })));
  expect(told[0].stack).toContain('faultOfTheTest');
  const client = new CoordinatorClient({
    auth: { username: 'user-me', password: tokenOf('me') },
    instance: { kind: 'unix', path: join(directory, 'socket') },
  });
  onTestFinished(() => client.disconnect());
  expect(await client.remoteBuildlets()).toEqual([]);
});
