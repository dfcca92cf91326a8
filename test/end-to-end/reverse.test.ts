// A machine that dials in, as programs: through kills of either end, and an orderly end.
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { tokenOf, writeUsers } from '../helpers/coordinator.ts';
import { ownLoopback } from '../helpers/loopback.ts';
import { until } from '../helpers/processes.ts';
import { type Ended, ending, gomoteProgram, projectRoot } from '../helpers/programs.ts';
import { reversePool } from '../helpers/reverse.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const toml = (listen: string): string => `
listen = "${listen}"
state-directory = "state"
probe-interval = "1s"
grace-time = "10s"
${reversePool}`;

class Place {
  readonly directory = temporaryDirectory();
  readonly #children = new Set<ChildProcess>();
  #url = '';
  #fingerprint = '';
  #log = '';

  constructor() {
    writeFileSync(join(this.directory, 'keys'), 'the-key\n', { mode: 0o600 });
    writeFileSync(join(this.directory, 'token'), `${tokenOf('me')}\n`, { mode: 0o600 });
    writeUsers(this.directory, { me: {} });
    onTestFinished(() => {
      for (const child of this.#children) child.kill('SIGKILL');
    });
  }

  #start(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: this.directory,
      env: { PATH: process.env.PATH, HOME: this.directory, USER: 'me' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    return child;
  }

  /** Starts the coordinator, again at the same address. */
  async coordinator(): Promise<ChildProcess> {
    const listen = this.#url === '' ? `${ownLoopback}:0` : new URL(this.#url).host;
    writeFileSync(join(this.directory, 'c.toml'), toml(listen));
    const program = join(projectRoot, 'bin/coordinator.js');
    const child = this.#start(program, ['serve', '--config', 'c.toml']);
    this.#log = '';
    child.stdout?.on('data', (chunk) => {
      this.#log += String(chunk);
    });
    // In either order.
    await until(() => this.has('pool-open') && this.has('"listening"'));
    const listening = this.#log.split('\n').find((line) => line.includes('"listening"')) ?? '{}';
    ({ url: this.#url, fingerprint: this.#fingerprint } = JSON.parse(listening));
    return child;
  }

  machine(): ChildProcess {
    return this.#start(join(projectRoot, 'bin/buildlet.js'), [
      ...['--coordinator', this.#url, '--host-type', 'host-mac', '--key-file', 'keys'],
      ...['--machine', 'mac1', '--fingerprint', this.#fingerprint],
    ]);
  }

  has(text: string): boolean {
    return this.#log.includes(text);
  }

  start(...args: string[]): Promise<Ended> {
    return ending(this.#start(gomoteProgram, args));
  }

  /** Runs gomote; it must succeed. */
  async gomote(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.start(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
    return stdout.toString().trim();
  }

  async login(): Promise<void> {
    const words = ['--user', 'me', '--fingerprint', this.#fingerprint, '--token-file', 'token'];
    await this.gomote('login', this.#url, ...words);
  }
}

it('a reverse buildlet survives a killed coordinator, and its own death is reported with name and reason', async () => {
  const place = new Place();
  let coordinator = await place.coordinator();
  const machine = place.machine();
  await place.login();
  const name = await place.gomote('create', 'mac');
  // The run waits for a file, which comes when the coordinator has been killed and started again.
  const script = 'echo begun; until [ -e go ]; do sleep 0.05; done; echo over; exit 7';
  const running = place.start('run', name, 'sh', '-c', script);
  await until(async () => (await place.gomote('ps', name)).includes('begun'));
  coordinator.kill('SIGKILL');
  coordinator = await place.coordinator();
  await until(() => place.has('machine-connected'));
  await place.gomote('run', name, 'touch', 'go');
  expect(await running).toMatchObject({ code: 7, stdout: Buffer.from('begun\nover\n') });

  machine.kill('SIGKILL');
  await until(() => place.has('"died"'));
  const refused = await place.start('run', name, 'true');
  expect(refused.code).toBe(125);
  expect(refused.stderr).toMatch(/dead: .*machine mac1/);

  // Started anew it is another, clean, and says goodbye when it is told to end.
  const again = place.machine();
  const next = await place.gomote('create', 'mac');
  expect(await place.gomote('run', next, 'ls', '-A')).toBe('');
  again.kill('SIGTERM');
  expect(await ending(again)).toMatchObject({ code: 0 });
  await until(() => place.has('it is ending: it got SIGTERM'));
  coordinator.kill('SIGTERM');
  expect(await ending(coordinator)).toMatchObject({ code: 0 });
});
