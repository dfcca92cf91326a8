// Buildlets as the ssh of the system sees them.
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { join } from 'node:path';
import { type Ended, ending, type Workshop, workshop } from './programs.ts';
import { hasTool } from './tools.ts';

export const hasSsh = hasTool('ssh', '-V');

export interface SshWorkshop extends Workshop {
  /** The buildlet, as it is given to gomote and to ssh. */
  readonly name: string;
  /** The configuration of ssh that knows it. */
  readonly config: string;
  startSsh(args: readonly string[], options?: SpawnOptions): ChildProcess;
  ssh(...args: string[]): Promise<Ended>;
  /** With that input. */
  sshWith(input: string | Buffer, ...args: string[]): Promise<Ended>;
}

/** A workshop with a local buildlet, made with these options, that ssh knows. */
export async function sshWorkshop(...options: string[]): Promise<SshWorkshop> {
  const shop = workshop();
  const created = await shop.gomote('create', ...options, 'local');
  const name = created.stdout.toString().trim();
  const config = join(shop.directory, 'ssh_config');
  const written = await shop.gomote('ssh-config', '--write', '--ssh-config', config);
  if (written.code !== 0) throw new Error(written.stderr);
  const startSsh = (args: readonly string[], options: SpawnOptions = {}) =>
    shop.start('ssh', ['-F', config, ...args], options);
  const sshWith = (input: string | Buffer, ...args: string[]) => {
    const child = startSsh(args, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin?.on('error', () => undefined).end(input);
    return ending(child);
  };
  return { ...shop, name, config, startSsh, sshWith, ssh: (...args) => ending(startSsh(args)) };
}
