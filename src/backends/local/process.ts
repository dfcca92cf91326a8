// Starts and ends the process of a local buildlet.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalMachine } from '../../builders.ts';
import type { CachePlace } from '../../buildlet/caches.ts';
import { markPrefix } from '../../buildlet/command/command.ts';
import { cleanEnvironment } from '../../buildlet/command/environment.ts';
import { endProcesses } from '../../buildlet/command/process-sweep.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { readOfProcess, trySignal } from '../../files/process-file.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { nodePath } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { type MachineStore, storeArguments } from '../machine-store.ts';
import { clearUser, homeOf, withoutNewRights } from './own-users.ts';
import { filesOf, type LocalRecord, logPath, passwordPath, writeRecord } from './record.ts';

/** How long a local buildlet lives without use. */
const idleTimeout = '30m';

/** The time limit for its process to answer, in ms. */
const startTimeoutMs = 20_000;

export interface LocalStart {
  /** The environment from which commands get the base variables, or all with `inheritEnv`. */
  readonly own: NodeJS.ProcessEnv;
  readonly inheritEnv: boolean;
  readonly machine: LocalMachine;
  readonly holdMs: number | undefined;
  readonly caches: readonly CachePlace[];
  readonly store?: MachineStore | undefined;
}

/** Starts the buildlet of a record, whose directory is given, and waits until it answers. */
export type StartLocal = (
  directory: string,
  record: LocalRecord,
  start: LocalStart,
  signal: AbortSignal,
) => Promise<void>;

/** Starts it detached. */
export async function startLocalBuildlet(
  directory: string,
  record: LocalRecord,
  { own, inheritEnv, machine, holdMs, caches, store }: LocalStart,
  signal: AbortSignal,
): Promise<void> {
  const program = join(packageRoot, 'bin/buildlet.js');
  const log = await open(logPath(directory), 'a+', 0o600);
  const args = [
    ...['--listen', `unix:${record.socket}`],
    ...['--workdir', record.workDir],
    ...['--password-file', passwordPath(directory)],
    ...['--idle-timeout', idleTimeout],
    ...(holdMs === undefined ? [] : ['--hold', `${holdMs}ms`]),
    ...(inheritEnv ? ['--inherit-env'] : []),
    ...caches.flatMap(({ path, directory: kept }) => ['--cache', `${path}:${kept}`]),
    ...(store === undefined ? [] : storeArguments(store)),
    ...confinementArguments(machine),
    ...(record.uid === undefined
      ? ['--remove-at-end', filesOf(record), '--remove-at-end', directory]
      : ['--user', String(record.uid)]),
  ];
  const before = record.uid === undefined ? [] : withoutNewRights(machine);
  const [command = '', ...words] = [...before, nodePath(), program, ...args];
  const child = spawn(command, words, {
    cwd: '/',
    detached: true,
    env: {
      ...(inheritEnv ? withoutMeta(own) : cleanEnvironment(own)),
      // Its temporary files are in its own directory, too.
      TMPDIR: filesOf(record),
      ...(record.uid !== undefined && accountOf(record.uid, filesOf(record))),
    },
    stdio: ['ignore', 'pipe', log.fd],
  });
  try {
    await once(child, 'spawn');
    const { isolation = 'none', network = 'host' } = machine;
    const isUnconfined = isolation === 'none' && network === 'host';
    writeRecord(directory, { ...record, isUnconfined, pid: child.pid });
    await ready(child, anySignal(signal, timeoutSignal(startTimeoutMs)));
    child.unref();
  } catch (error) {
    child.kill('SIGKILL');
    signal.throwIfAborted();
    const said = await writtenTo(log);
    const missing = missingPart();
    throw new GomoteError(
      'ERR_CONNECT',
      `the local buildlet did not start${missing === undefined ? '' : `: ${missing} is missing`}`,
      {
        hint:
          missing !== undefined
            ? 'every program needs it: mount /proc, make the devices of /dev'
            : said === ''
              ? messageOf(error)
              : `it said: ${said.split('\n').at(-1)}`,
        cause: error,
      },
    );
  } finally {
    child.stdout?.destroy();
    await log.close();
  }
}

/** What the system's record of a user would say. */
const accountOf = (uid: number, files: string): NodeJS.ProcessEnv => ({
  ...{ HOME: homeOf(files), USER: String(uid), LOGNAME: String(uid) },
});

/** The beginning of the file, which the buildlet writes, and may have removed. */
async function writtenTo(log: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await log.read(Buffer.alloc(64 << 10), 0, 64 << 10, 0);
  return buffer.toString('utf8', 0, bytesRead).trim();
}

/** Files that every process needs and a bare chroot lacks. */
const missingPart = (): string | undefined =>
  ['/dev/null', ...(process.platform === 'linux' ? ['/proc/self'] : [])].find(
    (path) => !existsSync(path),
  );

/** Removes the settings of another buildlet. */
const withoutMeta = (own: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(own).filter(([name]) => !name.startsWith('META_')));

/** Waits for the address, which a buildlet prints when it answers. */
async function ready(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: stdout });
  const ended = new AbortController();
  stdout.once('end', () => ended.abort(new Error('it ended at once')));
  try {
    await once(lines, 'line', { signal: anySignal(signal, ended.signal) });
  } finally {
    lines.close();
  }
}

/** Whether the record's process is alive and is still that buildlet, not another process with its pid. */
export async function isRunning(record: LocalRecord): Promise<boolean> {
  const { pid } = record;
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const commandLine = await readOfProcess(pid, 'cmdline');
  return commandLine === undefined
    ? process.platform !== 'linux'
    : commandLine.includes(record.socket);
}

/** Ends the buildlet's process, if it is running, and everything it started, and removes its work directory. */
export async function endLocalBuildlet(record: LocalRecord): Promise<void> {
  for (let tries = 0; tries < 100 && (await isRunning(record)); tries++) {
    if (record.pid !== undefined) trySignal(record.pid, 'SIGKILL');
    await sleep(20);
  }
  await endProcesses({ markPrefix: markPrefix(record.workDir) }, 0);
  // Before that, it could put anything in the way of the removal.
  if (record.uid !== undefined) await clearUser(record.uid);
  await removeTree(filesOf(record));
}

/** The options of a buildlet's program that confine its commands. */
const confinementArguments = (machine: LocalMachine): string[] => [
  ...option('--isolation', machine.isolation),
  ...option('--network', machine.network),
  ...(machine.readOnlyPaths ?? []).flatMap((path) => option('--read-only', path)),
  ...(machine.writablePaths ?? []).flatMap((path) => option('--writable', path)),
  ...option('--memory', machine.memoryBytes),
  ...option('--cpus', machine.cpus),
  ...option('--pids', machine.pidsLimit),
];

const option = (name: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [`${name}=${value}`];
