// One coordinator at a time in a state directory, also when others on other machines share it.
//
// The lock is a file with its holder's id, touched again and again. A holder on this machine is known to be dead by its
// process; one elsewhere, such as in another container, when it stops touching the file.
import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GomoteError } from '../../errors.ts';
import { makeLock } from '../../files/file-lock.ts';

export interface LockOptions {
  /** Ends the wait for another machine's coordinator. */
  readonly signal?: AbortSignal | undefined;
  /** The directory is another machine's; it is waited for. */
  readonly onWaiting?: ((host: string) => void) | undefined;
  /** Another has taken the directory over, since this process could not touch the lock in time. */
  readonly onLost?: (() => void) | undefined;
  /** Between two touches, in ms. Default 5,000. */
  readonly beatMs?: number | undefined;
}

interface Holder {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
}

/** So many touches that do not come mean that the holder is dead. */
const missedBeats = 4;

/** The locks of this process: another of its number is of a container's earlier life. */
const ownIds = new Set<string>();

/** Takes the lock and keeps it until the result is called; throws ERR_CONFIG while a process here has it. */
export async function takeLock(
  path: string,
  options: LockOptions = {},
): Promise<() => Promise<void>> {
  const { signal, onWaiting, beatMs = 5_000 } = options;
  const own: Holder = { id: randomUUID(), host: hostname(), pid: process.pid };
  let seen: { mtimeMs: number; sinceMs: number } | undefined;
  while (!(await makeLock(path, `${JSON.stringify(own)}\n`))) {
    signal?.throwIfAborted();
    const holder = await read(path);
    if (holder === undefined || (holder.host === own.host && !(await isAlive(holder)))) {
      await rm(path, { force: true });
      continue;
    }
    if (holder.host === own.host) {
      throw new GomoteError('ERR_CONFIG', `process ${holder.pid} already serves from ${path}`, {
        hint: 'end it first, or give another state directory',
      });
    }
    const mtimeMs = await stat(path).then(
      (stats) => stats.mtimeMs,
      () => 0,
    );
    if (seen === undefined) onWaiting?.(holder.host);
    if (seen?.mtimeMs !== mtimeMs) seen = { mtimeMs, sinceMs: performance.now() };
    if (performance.now() - seen.sinceMs > missedBeats * beatMs) await rm(path, { force: true });
    else await pause(beatMs / 5, signal);
  }
  // Of two that took over the same dead lock, the later has it.
  if (seen !== undefined) await pause(beatMs / 5, signal);
  if (seen !== undefined && (await read(path))?.id !== own.id) return await takeLock(path, options);
  ownIds.add(own.id);
  const timer = setInterval(async () => {
    const holder = await read(path).catch(() => own);
    if (holder?.id === own.id) return void (await touch(path));
    clearInterval(timer);
    options.onLost?.();
  }, beatMs).unref();
  return async () => {
    clearInterval(timer);
    ownIds.delete(own.id);
    if ((await read(path))?.id === own.id) await rm(path, { force: true });
  };
}

/** Undefined when nobody has it, or nobody can be told from what is in it. */
async function read(path: string): Promise<Holder | undefined> {
  try {
    const holder: Partial<Holder> = JSON.parse(await readFile(path, 'utf8'));
    const isWhole = typeof holder.id === 'string' && typeof holder.host === 'string';
    return isWhole && typeof holder.pid === 'number' ? (holder as Holder) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const touch = (path: string): Promise<void> =>
  utimes(path, new Date(), new Date()).catch(() => undefined);

/** Whether the process lives and may be a coordinator: numbers are used again. */
async function isAlive({ id, pid }: Holder): Promise<boolean> {
  if (pid === process.pid) return ownIds.has(id);
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes('coordinator');
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(delayMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
}
