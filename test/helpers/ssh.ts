// Buildlets as the ssh of the system sees them.
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { echoServer, sent } from './ports.ts';
import { until } from './processes.ts';
import { type Ended, ending, type Workshop, workshop } from './programs.ts';
import { hasTool } from './tools.ts';

export const hasSsh = hasTool('ssh', '-V');

export interface SshWorkshop extends Workshop {
  /** The buildlet, as it is given to gomote, and to ssh where it is of the usual backend. */
  readonly name: string;
  /** The buildlet, as ssh knows it in any case. */
  readonly host: string;
  /** The configuration of ssh that knows it. */
  readonly config: string;
  /**
   * Starts ssh, which ends with the test. Only SIGKILL ends it at any time: it may miss another signal that comes right before it
   * waits for data, and wait on.
   */
  startSsh(args: readonly string[], options?: SpawnOptions): ChildProcess;
  ssh(...args: string[]): Promise<Ended>;
  /** With that input. */
  sshWith(input: string | Buffer, ...args: string[]): Promise<Ended>;
}

/** A workshop with a local buildlet, made with these options, that ssh knows. */
export async function sshWorkshop(...options: string[]): Promise<SshWorkshop> {
  const shop = workshop();
  const created = await shop.gomote('create', ...options, 'local');
  return await withSsh(shop, created.stdout.toString().trim());
}

/** Makes a buildlet of the workshop known to ssh. */
export async function withSsh(shop: Workshop, name: string): Promise<SshWorkshop> {
  const config = join(shop.directory, 'ssh_config');
  const written = await shop.gomote('ssh-config', '--write', '--ssh-config', config, name);
  if (written.code !== 0) throw new Error(written.stderr);
  const host = written.stdout.toString().trim().split(' ').at(-1) ?? '';
  const startSsh = (args: readonly string[], options: SpawnOptions = {}) => {
    const child = shop.start('ssh', ['-F', config, ...args], options);
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  const sshWith = (input: string | Buffer, ...args: string[]) => {
    const child = startSsh(args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin?.on('error', () => undefined).end(input);
    return ending(child);
  };
  return {
    ...shop,
    name,
    host,
    config,
    startSsh,
    sshWith,
    ssh: (...args) => ending(startSsh(args)),
  };
}

/** Uses the buildlet by ssh and scp: commands, bytes, files, and sockets of files in both directions. */
export async function useBySsh({ ssh, sshWith, startSsh, run, ...shop }: SshWorkshop) {
  const { host, config, directory } = shop;
  const failing = await sshWith('typed\n', host, 'cat; echo no >&2; exit 3');
  expect(failing).toMatchObject({ code: 3, stdout: Buffer.from('typed\n'), stderr: 'no\n' });
  const bytes = randomBytes(3 << 20);
  const passed = await sshWith(bytes, host, 'cat');
  expect([passed.code, passed.stderr, passed.stdout.equals(bytes)]).toEqual([0, '', true]);
  const [here, back] = [join(directory, 'here'), join(directory, 'back')];
  writeFileSync(here, bytes);
  expect(await run('scp', '-qF', config, here, `${host}:there`)).toMatchObject({ code: 0 });
  expect(await run('scp', '-qF', config, `${host}:there`, back)).toMatchObject({ code: 0 });
  expect(readFileSync(back).equals(bytes)).toBe(true);
  const there = `${(await ssh(host, 'pwd')).stdout.toString().trim()}/socket`;
  const near = join(directory, 'near');
  const ways = ['-R', `${there}:127.0.0.1:${await echoServer()}`, '-L', `${near}:${there}`];
  const carrying = startSsh(['-N', ...ways, host]);
  const ended = ending(carrying);
  await until(async () => (await ssh(host, `test -S ${there}`)).code === 0 && existsSync(near));
  expect(await sent(near, 'there and back')).toBe('there and back');
  carrying.kill('SIGKILL');
  await ended;
}
