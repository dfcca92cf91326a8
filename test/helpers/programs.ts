// The programs as a user starts them: bin/ in processes of their own.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary.ts';

export const projectRoot = new URL('../../', import.meta.url).pathname;
export const gomoteProgram = join(projectRoot, 'bin/gomote.js');
export const buildletProgram = join(projectRoot, 'bin/buildlet.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface Workshop {
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Starts any program in the directory, with `gomote` and `buildlet` on its PATH. */
  start(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Runs one to its end. */
  run(command: string, ...args: string[]): Promise<Ended>;
  gomote(...args: string[]): Promise<Ended>;
  /** Creates a local buildlet and gives its name. */
  create(): Promise<string>;
}

/** A directory to work in, with local buildlets of its own, which end with the test. */
export function workshop(): Workshop {
  const directory = temporaryDirectory();
  const bin = join(directory, '.bin');
  mkdirSync(bin);
  for (const [name, program] of Object.entries({
    gomote: gomoteProgram,
    buildlet: buildletProgram,
  })) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec "${program}" "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const environment = {
    PATH: [bin, dirname(process.execPath), process.env.PATH].join(':'),
    HOME: directory,
    USER: 'me',
    XDG_RUNTIME_DIR: directory,
  };
  const start = (command: string, args: readonly string[], options: SpawnOptions = {}) =>
    spawn(command, args, {
      cwd: directory,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
  const run = (command: string, ...args: string[]) => ending(start(command, args));
  const gomote = (...args: string[]) => run('gomote', ...args);
  onTestFinished(async () => {
    if (mayHaveBuildlets(directory)) await gomote('destroy', '--all');
  });
  const create = async () => (await gomote('create', 'local')).stdout.toString().trim();
  return { directory, environment, start, run, gomote, create };
}

/** Whether a command there may have made a buildlet: a process more for each test is many. */
function mayHaveBuildlets(directory: string): boolean {
  const local = join(directory, 'gomote');
  return (
    existsSync(join(directory, '.config')) || (existsSync(local) && readdirSync(local).length > 0)
  );
}

/** All that a program says and how it ends. */
export async function ending(child: ChildProcess): Promise<Ended> {
  const over = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const [stdout, stderr] = await Promise.all([
    child.stdout === null ? Buffer.alloc(0) : buffer(child.stdout),
    child.stderr === null ? Buffer.alloc(0) : buffer(child.stderr),
  ]);
  return { ...(await over), stdout, stderr: stderr.toString() };
}
