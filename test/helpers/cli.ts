// The command line in this process, its output captured.
import type { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { Interrupts } from '../../src/cli/interrupts.ts';
import { runOn } from '../../src/cli/main.ts';
import { Collector } from './collect.ts';
import { temporaryDirectory } from './temporary.ts';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
  /** Of stdout. */
  bytes: Buffer;
}

export interface CliOptions {
  environment?: NodeJS.ProcessEnv;
  stdin?: Iterable<Buffer | string>;
  /** Aborts as a signal would. */
  interrupt?: { signal: AbortSignal; received: NodeJS.Signals | undefined };
  /** Emits `signal` with the name of one, as the process would get it. */
  signals?: EventEmitter<{ signal: [NodeJS.Signals] }>;
  isTerminal?: boolean;
}

export interface Cli {
  /** Holds the configuration (`gomote/config.toml`) and the local buildlets. */
  readonly directory: string;
  (argv: readonly string[], options?: CliOptions): Promise<CliResult>;
}

/** A command line with a configuration and local buildlets of its own, which end with the test. */
export function testCli(): Cli {
  const directory = temporaryDirectory();
  const base = {
    PATH: process.env.PATH,
    HOME: directory,
    USER: 'me',
    XDG_CONFIG_HOME: join(directory, 'config'),
    XDG_RUNTIME_DIR: directory,
  };
  const cli = async (argv: readonly string[], options: CliOptions = {}): Promise<CliResult> => {
    const stdout = Object.assign(new Collector(), { isTTY: options.isTerminal === true });
    const stderr = Object.assign(new Collector(), { isTTY: false });
    // Standard input is bytes.
    const stdin = Readable.from([...(options.stdin ?? [])].map((text) => Buffer.from(text)));
    const environment = { ...base, ...options.environment };
    const interrupts = new Interrupts(() => undefined);
    const passOn = (name: NodeJS.Signals) => interrupts.handle(name);
    options.signals?.on('signal', passOn);
    const { signal, received = 'SIGINT' } = options.interrupt ?? {};
    signal?.addEventListener('abort', () => interrupts.cancel(received), { once: true });
    const code = await runOn(
      argv,
      { stdin, stdout, stderr, environment, input: options.stdin ? 'data' : 'nothing' },
      interrupts,
    );
    options.signals?.off('signal', passOn);
    const result = { code, stdout: stdout.text, stderr: stderr.text };
    // Not counted where a test compares the whole result.
    return Object.defineProperty(result, 'bytes', { value: stdout.bytes }) as CliResult;
  };
  onTestFinished(async () => {
    await cli(['destroy', '--all', '--backend', 'local'], {
      environment: { XDG_CONFIG_HOME: directory },
    });
  });
  return Object.assign(cli, { directory });
}

/** Makes it the current directory of the test. */
export function inDirectory(path: string): void {
  const before = process.cwd();
  process.chdir(path);
  onTestFinished(() => process.chdir(before));
}
