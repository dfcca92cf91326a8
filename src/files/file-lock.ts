// One program at a time, also when programs on other machines share the directory.
//
// The lock is a file with its holder's id, which the holder touches again and again. A holder on this machine is known to be
// dead by its process; any other one, such as in another container, when it stops touching the file.
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { errnoOf, GomoteError } from '../errors.ts';
import { undefinedIfAbsent } from './if-there.ts';
import { withPath } from './local-error.ts';
import { trySignal } from './process-file.ts';

export interface LockOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Called once when another program has the lock. Waits for it unless this throws. */
  readonly onHeld?: ((holder: LockHolder) => void) | undefined;
  /** Called when another program has taken the lock, because this process could not touch it in time. */
  readonly onLost?: (() => void) | undefined;
  /** Between two touches, in ms. Default 5,000. */
  readonly beatMs?: number | undefined;
  /** How long to wait, in ms. Default: forever. */
  readonly patienceMs?: number | undefined;
}

export interface LockHolder {
  /** Undefined when the file does not contain it. */
  readonly host: string | undefined;
  /** The id of a process on this machine. */
  readonly pid: number | undefined;
}

interface Holder {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's units: process ids are reused. */
  readonly started?: string | undefined;
}

interface Found {
  /** Undefined when the file names no holder: it may still be being written. */
  readonly holder: Holder | undefined;
  readonly inode: number;
  readonly mtimeMs: number;
}

/** A holder that misses this many touches is considered dead. */
const missedBeats = 4;
const firstPauseMs = 5;

/** The locks of this process. Another lock with its process id comes from an earlier life of a container. */
const ownIds = new Set<string>();

/** Runs `work` while holding the lock of the file. Throws ERR_CONFLICT when the lock cannot be had in time. */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const release = await takeFileLock(`${path}.lock`, { patienceMs: 60_000, ...options });
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Creates the lock file, and holds it until the returned function is called. Throws ERR_CONFLICT after `patienceMs`. */
export async function takeFileLock(
  path: string,
  options: LockOptions = {},
): Promise<() => Promise<void>> {
  const { beatMs = 5_000, onLost } = options;
  const { id } = await new Taking(path, options).run();
  const isOurs = async () => (await inspect(path))?.holder?.id === id;
  const timer = setInterval(async () => {
    // A file system that does not answer says nothing about other holders.
    if (await isOurs().catch(() => true)) return void (await touch(path));
    clearInterval(timer);
    onLost?.();
  }, beatMs).unref();
  return async () => {
    clearInterval(timer);
    try {
      if (await isOurs()) await rm(path, { force: true });
    } finally {
      // Not before: a holder without an id here counts as dead, and its lock would already be taken over.
      ownIds.delete(id);
    }
  };
}

/** The living holder of the lock, if there is one. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const holder = (await inspect(path))?.holder;
  if (holder === undefined) return undefined;
  const isHere = holder.host === hostname();
  if (isHere && !(await isAlive(holder))) return undefined;
  return { host: holder.host, pid: isHere ? holder.pid : undefined };
}

class Taking {
  readonly #path: string;
  readonly #options: LockOptions;
  readonly #beatMs: number;
  readonly #startedAtMs = performance.now();
  #pauseMs = firstPauseMs;
  #isTold = false;
  /** The lock as last seen, and since when it has not changed. */
  #seen: { mark: string; sinceAtMs: number } | undefined;

  constructor(path: string, options: LockOptions) {
    this.#path = path;
    this.#options = options;
    this.#beatMs = options.beatMs ?? 5_000;
  }

  async run(): Promise<Holder> {
    const { pid } = process;
    const own = { id: randomUUID(), host: hostname(), pid, started: (await statOf(pid)).start };
    ownIds.add(own.id);
    try {
      while (!(await makeLock(this.#path, `${JSON.stringify(own)}\n`))) {
        this.#options.signal?.throwIfAborted();
        const found = await inspect(this.#path);
        if (found === undefined) continue;
        if (await this.#isLeft(found, own.host)) await this.#removeLeft(found);
        else await this.#wait(found.holder, own.host);
      }
      return own;
    } catch (error) {
      ownIds.delete(own.id);
      throw error;
    }
  }

  /** Removes a dead lock while holding a second lock, so that nobody removes the new lock of another program. */
  async #removeLeft(left: Found): Promise<void> {
    const release = await takeFileLock(`${this.#path}.left`, this.#options);
    try {
      if (isDeepStrictEqual(await inspect(this.#path), left)) await rm(this.#path, { force: true });
    } finally {
      await release();
    }
  }

  /** Whether the holder is dead. */
  async #isLeft({ holder, inode, mtimeMs }: Found, host: string): Promise<boolean> {
    if (holder?.host === host) return !(await isAlive(holder));
    const mark = `${inode} ${mtimeMs}`;
    const nowMs = performance.now();
    if (this.#seen?.mark !== mark) this.#seen = { mark, sinceAtMs: nowMs };
    return nowMs - this.#seen.sinceAtMs > missedBeats * this.#beatMs;
  }

  async #wait(holder: Holder | undefined, ownHost: string): Promise<void> {
    const { patienceMs = Number.POSITIVE_INFINITY, onHeld } = this.#options;
    const pid = holder?.host === ownHost ? holder.pid : undefined;
    if (!this.#isTold) onHeld?.({ host: holder?.host, pid });
    this.#isTold = true;
    if (performance.now() - this.#startedAtMs > patienceMs) {
      const path = this.#path.replace(/\.lock(\.left)*$/, '');
      const who = pid === undefined ? 'another program' : `process ${pid}`;
      throw new GomoteError('ERR_CONFLICT', `${who} has been changing ${path} for a long time`, {
        hint: `look for its process; if there is none, remove ${this.#path}`,
      });
    }
    await this.#pause();
  }

  /** A random delay, so that waiting programs do not retry at the same moment. */
  async #pause(): Promise<void> {
    const { signal } = this.#options;
    const pauseMs = this.#pauseMs * (1 + Math.random());
    this.#pauseMs = Math.min(2 * this.#pauseMs, Math.max(firstPauseMs, this.#beatMs / 10));
    await sleep(pauseMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
  }
}

/** Creates the lock file with its content and mode 0600. Returns false when it exists. It is never seen half written. */
async function makeLock(path: string, content: string): Promise<boolean> {
  const whole = `${path}.${randomUUID()}`;
  try {
    const file = await open(whole, 'wx', 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await link(whole, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw withPath(error, path);
  } finally {
    await rm(whole, { force: true });
  }
}

/** The current lock; undefined when there is none. */
async function inspect(path: string): Promise<Found | undefined> {
  const read = async () => {
    const { ino, mtimeMs } = await stat(path);
    return { holder: holderIn(await readFile(path, 'utf8')), inode: ino, mtimeMs };
  };
  return await read().catch(undefinedIfAbsent);
}

function holderIn(text: string): Holder | undefined {
  try {
    const { id, host, pid, started }: Partial<Holder> = Object(JSON.parse(text));
    if (typeof id !== 'string' || typeof host !== 'string' || typeof pid !== 'number') return;
    return { id, host, pid, started };
  } catch {
    return undefined;
  }
}

const touch = (path: string): Promise<void> =>
  utimes(path, new Date(), new Date()).catch(() => undefined);

/** Whether the process that created the lock is alive. */
async function isAlive({ id, pid, started }: Holder): Promise<boolean> {
  if (pid === process.pid) return ownIds.has(id);
  if (!trySignal(pid, 0)) return false;
  const { state, start } = await statOf(pid);
  // One that has ended stays a zombie until its parent has looked.
  if (state === 'Z' || state === 'X') return false;
  return started === undefined || start === undefined || start === started;
}

/** The process's state and when it started; undefined when the system does not tell. */
async function statOf(
  pid: number,
): Promise<{ state?: string | undefined; start?: string | undefined }> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The name of the program, in brackets, may have spaces and brackets.
  const fields = text.slice(text.lastIndexOf(')')).split(' ');
  return { state: fields[1], start: fields[20] };
}
