// A command line with hosts that it reaches by ssh.
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { workshop } from './programs.ts';
import { isRoot, type SshdOptions, type SshUser, sshLab, sshUser } from './sshd.ts';

/** A command line whose `ssh` knows the lab's hosts. */
export function sshWorkshop(lab: ReturnType<typeof sshLab>) {
  const shop = workshop();
  shop.environment.PATH = `${lab.bin}:${shop.environment.PATH}`;
  const { gomote } = shop;
  /** The output of a command that succeeds. */
  const succeed = async (...args: string[]) => {
    const { code, stdout, stderr } = await gomote(...args);
    if (code !== 0) throw new Error(`gomote ${args.join(' ')}: ${code}: ${stderr}`);
    return stdout.toString().trim();
  };
  const configure = (text: string) => {
    const directory = join(shop.directory, '.config', 'gomote');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'config.toml'), text, { mode: 0o600 });
  };
  return { ...shop, succeed, configure };
}

/** A host `box` with a user of the shell. */
export async function labWithUser(shell?: string, options?: SshdOptions) {
  const lab = sshLab();
  const server = await lab.sshd(options);
  const user = sshUser(shell);
  return { lab, server, user, host: `ssh:${user.name}@box`, ...sshWorkshop(lab) };
}

/** Writes a file of the user's own. */
export function giveFile({ home, name }: SshUser, path: string, text: string): void {
  const { uid, gid } = statSync(home);
  mkdirSync(join(home, dirname(path)), { recursive: true });
  writeFileSync(join(home, path), text);
  if (!isRoot) return;
  for (let at = path; at !== '.'; at = dirname(at)) chownSync(join(home, at), uid, gid);
  expect(name).not.toBe('root');
}

/** What is left of buildlets in the user's home. */
export const leftIn = ({ home }: SshUser): string[] => {
  const state = join(home, '.local/state/gomote/ssh');
  const work = join(state, 'work');
  return [state, work]
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path))
    .filter((name) => name !== 'work' && name !== 'names');
};
