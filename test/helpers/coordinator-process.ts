// A coordinator as a program, which can be killed, on a socket in a directory of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { tokenOf, writeUsers } from './coordinator.ts';
import { processesWith, until } from './processes.ts';
import { projectRoot } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';

/** Those of local pools outlive their coordinator, also when a test fails before it has ended them. */
async function endBuildlets(directory: string): Promise<void> {
  const left = () => processesWith(`unix:${directory}/state/pools/`);
  for (const pid of left()) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended meanwhile.
    }
  }
  await until(() => left().length === 0);
}

export interface CoordinatorProcessOptions {
  /** Lines of configuration after `listen`, `tls` and `state-directory`. */
  readonly toml: string;
  readonly users?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Where another has its state. Absent: a state of its own. */
  readonly directory?: string;
  /** What the program is run by. */
  readonly launcher?: readonly string[];
  /** The name of its socket. */
  readonly socket?: string;
}

const program = join(projectRoot, 'bin/coordinator.js');

export class CoordinatorProcess {
  readonly directory: string;
  readonly #options: CoordinatorProcessOptions;
  readonly #socket: string;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(options: CoordinatorProcessOptions) {
    const { users = ['me'], directory, socket = 'socket' } = options;
    this.#options = options;
    this.#socket = socket;
    this.directory = directory ?? temporaryDirectory();
    const lines = [`listen = "unix:${socket}"`, 'tls = "off"', 'state-directory = "state"'];
    writeFileSync(join(this.directory, `${socket}.toml`), [...lines, options.toml].join('\n'));
    if (directory === undefined) this.#writeUsers(users);
    onTestFinished(async () => {
      await this.kill();
      if (directory === undefined) await endBuildlets(this.directory);
      // A failure that nobody waited for is a fault, whatever else the test has seen.
      const unhandled = this.#output
        .split('\n')
        .filter((line) => line.includes('"event":"unhandled"'));
      expect(unhandled).toEqual([]);
    });
  }

  #writeUsers(users: readonly string[]): void {
    writeUsers(this.directory, Object.fromEntries(users.map((name) => [name, {}])));
  }

  /** Starts it; resolves when it has looked at what an earlier one left. */
  async start(): Promise<void> {
    this.launch();
    await this.event('pool-open');
  }

  launch(): void {
    const { launcher = [], environment } = this.#options;
    const [command = '', ...args] = [
      ...launcher,
      ...[process.execPath, program, 'serve', '--config', `${this.#socket}.toml`],
    ];
    this.#output = '';
    this.#child = spawn(command, args, {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'inherit'],
      ...(environment && { env: { ...process.env, ...environment } }),
    });
    this.#child.stdout?.on('data', (chunk) => {
      this.#output += String(chunk);
    });
  }

  /** Waits until its log tells of it. */
  async event(name: string): Promise<void> {
    await until(() => this.#output.includes(`"event":"${name}"`));
  }

  /** How often its log has the text. */
  count(text: string): number {
    return this.#output.split(text).length - 1;
  }

  get socketPath(): string {
    return join(this.directory, this.#socket);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Resolves when the signal has ended it. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** Loses all that it knows but its users. */
  loseState(users: readonly string[] = ['me']): void {
    rmSync(join(this.directory, 'state'), { recursive: true });
    this.#writeUsers(users);
  }

  client(user = 'me'): CoordinatorClient {
    const client = new CoordinatorClient({
      auth: { username: `user-${user}`, password: tokenOf(user) },
      instance: { kind: 'unix', path: this.socketPath },
    });
    onTestFinished(() => client.disconnect());
    return client;
  }
}
