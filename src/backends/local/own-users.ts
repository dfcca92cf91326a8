// A user of its own for each buildlet, out of ids that no account has: for a coordinator that runs as root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalMachine } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';
import { trySignal } from '../../files/process-file.ts';
import { nodePath } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import {
  claimedIds,
  claimId,
  claimsDirectory,
  makeClaimsDirectory,
  releaseId,
  removeVoidClaims,
} from './claimed-ids.ts';
import { idOwner } from './foreign-ids.ts';
import { readRecord } from './record.ts';

export interface UserIds {
  readonly first: number;
  readonly last: number;
  /** Contains the buildlets' files. Every user can enter it and the directories above it. */
  readonly directory: string;
}

/**
 * The ids in use, also by buildlets of the pools beside this one: a pool that has gone may have had the same ids. A record that
 * cannot be read is an error: its id would be given away.
 */
function usedIds(root: string): Set<number> {
  const pools = directoriesIn(dirname(root));
  const ids = pools.flatMap(directoriesIn).map((directory) => readRecord(directory)?.uid);
  return new Set(ids.filter((id) => id !== undefined));
}

const directoriesIn = (path: string): string[] =>
  existsSync(path)
    ? readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => join(path, name))
    : [];

/**
 * Takes an id that no buildlet has, for the one in `directory`. Write it to its record before this process asks for another:
 * claims are lost when the directory of claims is.
 */
export function takeId(directory: string, { first, last }: UserIds): number {
  const used = usedIds(dirname(directory));
  for (let id = first; id <= last; id++) if (!used.has(id) && claimId(id, directory)) return id;
  throw new GomoteError('ERR_CONFIG', `every user id from ${first} to ${last} is in use`, {
    hint: `give the pool more uids; ls -l ${claimsDirectory} shows those that machines of this and other coordinators have`,
  });
}

export const homeOf = (files: string): string => join(files, 'home');

/** Gives the user its directories. */
export function createUserDirectories(uid: number, files: string, workDir: string): void {
  mkdirSync(homeOf(files), { mode: 0o700 });
  for (const path of [workDir, homeOf(files), files]) chownSync(path, uid, uid);
}

/** Where every user can make files, on usual systems. */
export const sharedPlaces = [
  '/tmp',
  '/var/tmp',
  '/dev/shm',
  '/dev/mqueue',
  '/run/lock',
  '/var/crash',
];

/** Large trees in which the user cannot write are not searched. */
const clearing = `
for place in ${sharedPlaces.join(' ')}; do
  [ -d "$place" ] && find "$place" -xdev -mindepth 1 \\
    -user "$1" -prune \\( ! -type d -o -exec chmod -R u+rwX -- {} + \\) -exec rm -rf -- {} + \\
    -o -type d ! -perm -0002 -prune
done
ipcrm --all`;

/** What a process that ends others may take, in ms: one of them may have stopped it. */
const endingMs = 5_000;
/** What a search for files may take, in ms. */
const clearingMs = 600_000;

/** Ends every process of the user and removes its files from the directories that all users share. */
export async function clearUser(uid: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const left = processes().filter(({ ids }) => ids.includes(uid));
    if (left.length === 0) break;
    if (tries === 500) {
      throw new GomoteError('ERR_LOCAL_FILE', `the processes of user ${uid} do not end`, {
        hint: `see them with ps -u ${uid}; its files stay until they have ended`,
      });
    }
    // One that ends whatever its user has would end the shell, too; only the shell can end all in one step.
    for (const { pid } of left) trySignal(pid, 'SIGKILL');
    await runAs(uid, 'kill -s KILL -- -1', endingMs);
    await sleep(10);
  }
  // As the user itself, so that no file of another can be hit.
  await runAs(uid, clearing, clearingMs);
}

async function runAs(uid: number, script: string, timeout: number): Promise<void> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', String(uid)], {
    ...{ cwd: '/', uid, gid: uid, stdio: 'ignore', timeout, killSignal: 'SIGKILL' },
    env: { PATH: '/usr/bin:/bin' },
  });
  await once(child, 'exit');
}

/** Clears the ids that processes have, but no buildlet: its record went before them. Returns a line for each. */
export async function clearStrays(root: string, { first, last }: UserIds): Promise<string[]> {
  await removeVoidClaims();
  const found = processes().flatMap(({ ids }) => ids);
  // A buildlet's id is claimed before it has processes.
  const used = new Set([...usedIds(root), ...claimedIds()]);
  const said: string[] = [];
  for (const id of new Set(found.filter((one) => one >= first && one <= last && !used.has(one)))) {
    // Until it is cleared, no coordinator gives it away.
    if (!claimId(id, root)) continue;
    try {
      await clearUser(id);
      said.push(`user ${id}: processes of no buildlet`);
    } finally {
      releaseId(id);
    }
  }
  return said;
}

interface Process {
  readonly pid: number;
  /**
   * Of its user and its group: the real, the effective, the saved, and that for files. A file with a bit in its mode gives them to
   * a process of another user.
   */
  readonly ids: readonly number[];
}

/** Those that live. One that has ended may stay in the list, where the first process of a container does not wait for it. */
function processes(): Process[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  return pids.flatMap((pid) => {
    // The owner of its directory is root where its memory is closed to its user.
    const status = statusOf(pid);
    // Of one that lives the first thread may have ended.
    const [, threads] = /^Threads:\t([0-9]+)/m.exec(status) ?? [];
    if (/^State:\t[ZX]/m.test(status) && !(Number(threads) > 1)) return [];
    const lines = status.matchAll(/^[UG]id:\t(.*)$/gm);
    return {
      pid: Number(pid),
      ids: [...lines].flatMap(([, ids = '']) => ids.split('\t').map(Number)),
    };
  });
}

const statusOf = (pid: string): string =>
  ifThere(() => readFileSync(`/proc/${pid}/status`, 'utf8'), 'ESRCH') ?? '';

/** Throws ERR_CONFIG where buildlets cannot have users of their own. */
export async function requireOwnUsers(
  { first, last, directory }: UserIds,
  machine: LocalMachine = {},
): Promise<void> {
  const refusal = (why: string, hint: string) => new GomoteError('ERR_CONFIG', why, { hint });
  if (process.getuid?.() !== 0) {
    throw refusal('uids need a coordinator that runs as root', 'leave them out, or run it as root');
  }
  makeClaimsDirectory();
  const owner = await idOwner({ first, last });
  if (owner !== undefined) {
    throw refusal(
      `the user id ${owner}`,
      'choose uids that nobody has: all of their processes are ended with the buildlet',
    );
  }
  const program = [...withoutNewRights(machine), nodePath(), join(packageRoot, 'bin/buildlet.js')];
  const place = existing(directory);
  const script = 'cd -- "$1" && shift && exec "$@" --version';
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

/**
 * The words before a program that gains no rights by the mode of another one, as in a sandbox: a file that a buildlet has left
 * somewhere would give the rights of the next one with its id.
 */
export const withoutNewRights = ({ isolation }: LocalMachine): string[] =>
  isolation === 'bubblewrap' ? [] : ['setpriv', '--no-new-privs'];

const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));
