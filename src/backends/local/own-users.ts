// A user of its own for each buildlet, out of ids that no account has: for a coordinator that runs as root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GomoteError } from '../../errors.ts';
import { nodePath } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import { readRecord } from './record.ts';

export interface UserIds {
  readonly first: number;
  readonly last: number;
  /** Contains the buildlets' files. Every user can enter it and the directories above it. */
  readonly directory: string;
}

/** The ids in use. A record that cannot be read is an error: its id would be given away. */
function usedIds(root: string): Set<number> {
  const entries = existsSync(root) ? readdirSync(root, { withFileTypes: true }) : [];
  const directories = entries.filter((entry) => entry.isDirectory());
  const ids = directories.map(({ name }) => readRecord(join(root, name))?.uid);
  return new Set(ids.filter((id) => id !== undefined));
}

/** An id that no buildlet in `root` has. Write it to a record before anything else can ask for one. */
export function freeId(root: string, { first, last }: UserIds): number {
  const used = usedIds(root);
  for (let id = first; id <= last; id++) if (!used.has(id)) return id;
  throw new GomoteError('ERR_CONFIG', `every user id from ${first} to ${last} is in use`, {
    hint: 'give the pool more uids',
  });
}

export const homeOf = (files: string): string => join(files, 'home');

/** Gives the user its directories. */
export function giveFiles(uid: number, files: string, workDir: string): void {
  mkdirSync(homeOf(files), { mode: 0o700 });
  for (const path of [workDir, homeOf(files), files]) chownSync(path, uid, uid);
}

/** Large trees in which the user cannot write are not searched. */
const clearing = `
find /tmp /var/tmp /dev/shm -xdev -mindepth 1 \\
  -user "$1" -prune -exec chmod -R u+rwX -- {} + -exec rm -rf -- {} + -o -type d ! -perm -0002 -prune
ipcrm --all`;

/** Ends every process of the user and removes its files from the directories that all users share. */
export async function clearUser(uid: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const left = processes().filter((one) => one.uid === uid);
    if (left.length === 0) break;
    if (tries === 500) {
      throw new GomoteError('ERR_LOCAL_FILE', `the processes of user ${uid} do not end`, {
        hint: `see them with ps -u ${uid}; its files stay until they have ended`,
      });
    }
    // One that ends whatever its user has would end the shell, too; only the shell can end all in one step.
    for (const { pid } of left) end(pid);
    await runAs(uid, 'kill -s KILL -- -1');
    await sleep(10);
  }
  // As the user itself, so that no file of another can be hit.
  await runAs(uid, clearing);
}

async function runAs(uid: number, script: string): Promise<void> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', String(uid)], {
    ...{ cwd: '/', uid, gid: uid, stdio: 'ignore' },
    env: { PATH: '/usr/bin:/bin' },
  });
  await once(child, 'exit');
}

/** Clears the ids that processes have, but no buildlet: its record went before them. Returns a line for each. */
export async function clearStrays(root: string, { first, last }: UserIds): Promise<string[]> {
  const used = usedIds(root);
  const found = processes().map(({ uid }) => uid);
  const stray = new Set(found.filter((id) => id >= first && id <= last && !used.has(id)));
  for (const id of stray) await clearUser(id);
  return [...stray].map((id) => `user ${id}: processes of no buildlet`);
}

/** Those that live. One that has ended may stay in the list, where the first process of a container does not wait for it. */
function processes(): { pid: number; uid: number }[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.flatMap((pid) => {
    // The owner of its directory is root where its memory is closed to its user.
    const status = statusOf(pid);
    const [, uid] = /^Uid:\t([0-9]+)/m.exec(status) ?? [];
    return uid === undefined || /^State:\t[ZX]/m.test(status)
      ? []
      : [{ pid: Number(pid), uid: Number(uid) }];
  });
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** Throws ERR_CONFIG where buildlets cannot have users of their own. */
export async function requireOwnUsers({ first, last, directory }: UserIds): Promise<void> {
  const refusal = (why: string, hint: string) => new GomoteError('ERR_CONFIG', why, { hint });
  if (process.getuid?.() !== 0) {
    throw refusal('uids need a coordinator that runs as root', 'leave them out, or run it as root');
  }
  const [taken] = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , id]) => id && Number(id) >= first && Number(id) <= last);
  if (taken !== undefined) {
    throw refusal(
      `the user id ${taken[2]} is the account ${taken[0]}'s`,
      'choose uids that nobody has: all of their processes are ended with the buildlet',
    );
  }
  const program = [nodePath(), join(packageRoot, 'bin/buildlet.js')];
  const place = existing(directory);
  const script = 'cd -- "$1" && exec "$2" "$3" --version';
  const child = spawn('/bin/sh', ['-c', script, 'sh', place, ...program], {
    ...{ cwd: '/', uid: first, gid: first, stdio: 'ignore', env: {} },
  });
  const [code] = await once(child, 'exit');
  if (code === 0) return;
  throw refusal(
    `other users cannot run ${program.join(' ')} in ${place} (${code})`,
    'install Node.js and gomote where every user can read them, and name a directory that every user can enter',
  );
}

const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));
