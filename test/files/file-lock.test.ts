// Locks: of one program at a time, also after one that died or broke off, and an end to waiting.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type LockHolder,
  type LockOptions,
  takeFileLock,
  withFileLock,
} from '../../src/files/file-lock.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const beatMs = 50;
const newPath = () => join(temporaryDirectory(), 'lock');
const idIn = (path: string) => JSON.parse(readFileSync(path, 'utf8')).id;

function leave(path: string, holder: object): void {
  writeFileSync(path, JSON.stringify({ id: 'theirs', host: hostname(), pid: 1, ...holder }));
}

async function take(path: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const release = await takeFileLock(path, { beatMs, ...options });
  onTestFinished(release);
  return release;
}

/** Touches the file as its holder does, until the result is called. */
function keepTouching(path: string): () => void {
  const timer = setInterval(() => utimesSync(path, new Date(), new Date()), beatMs / 2);
  const stop = () => clearInterval(timer);
  onTestFinished(stop);
  return stop;
}

/** Refuses to wait. */
const unwilling: LockOptions = {
  onHeld: () => {
    throw new Error('held');
  },
};

describe('a lock', () => {
  it('is held by one process at a time, complete and closed to others, and removed when it is released', async () => {
    const path = newPath();
    const release = await take(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const holders: LockHolder[] = [];
    const onHeld = (holder: LockHolder) => void holders.push(holder);
    await expect(take(path, { onHeld, patienceMs: 0 })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: expect.stringContaining(`process ${process.pid} has been`),
      hint: expect.stringContaining(path),
    });
    expect(holders).toEqual([{ host: hostname(), pid: process.pid }]);
    await release();
    expect(readdirSync(dirname(path))).toEqual([]);
    await take(path);
  });

  it('of a dead process of this machine, or of an earlier container, is taken over at once', async () => {
    for (const holder of [{ pid: 2 ** 22 + 1 }, { pid: process.pid }, { pid: 1, started: '-1' }]) {
      if (process.platform !== 'linux' && 'started' in holder) continue;
      const path = newPath();
      leave(path, holder);
      await take(path, { beatMs: 60_000, ...unwilling });
      expect(idIn(path)).not.toBe('theirs');
    }
  });

  it('of a living process of this machine is not taken over, even if nobody touches it', async () => {
    const path = newPath();
    const child = spawn('sleep', ['1000']);
    onTestFinished(() => void child.kill('SIGKILL'));
    leave(path, { pid: child.pid });
    utimesSync(path, 1, 1);
    await expect(take(path, { beatMs: 1, patienceMs: 100 })).rejects.toThrow(`${child.pid}`);
    expect(idIn(path)).toBe('theirs');
  });

  it.each(['', '{', '4711\n', '{"id":"theirs","host":"h', 'null', '7', '[]', '{"pid":1}'])(
    'that holds %j is held for as long as it is touched',
    async (text) => {
      const path = newPath();
      writeFileSync(path, text);
      const stop = keepTouching(path);
      await expect(take(path, { patienceMs: 8 * beatMs })).rejects.toThrow('another program');
      expect(readFileSync(path, 'utf8')).toBe(text);
      stop();
      await take(path);
    },
  );

  it('of another machine is waited for until its holder stops touching it', async () => {
    const path = newPath();
    leave(path, { host: 'another' });
    const stop = keepTouching(path);
    const waited: LockHolder[] = [];
    let isTaken = false;
    const taking = take(path, { onHeld: (holder) => waited.push(holder) }).then(() => {
      isTaken = true;
    });
    await until(() => waited.length > 0);
    const beats = Array.from({ length: 8 }, (_, n) => n);
    for (const _ of beats) await sleep(beatMs);
    expect([isTaken, idIn(path)]).toEqual([false, 'theirs']);
    stop();
    await taking;
    expect(waited).toEqual([{ host: 'another', pid: undefined }]);
    expect(idIn(path)).not.toBe('theirs');
  });

  it('of another machine is not waited for longer than the given time', async () => {
    const path = newPath();
    leave(path, { host: 'another' });
    const cancel = new AbortController();
    const options = { signal: cancel.signal, beatMs: 60_000, onHeld: () => cancel.abort() };
    await expect(take(path, options)).rejects.toMatchObject({ name: 'AbortError' });
    expect(idIn(path)).toBe('theirs');
  });

  it('that was taken over is no longer touched, nor removed at the end, and its holder is notified', async () => {
    const path = newPath();
    let isLost = false;
    const release = await take(path, {
      onLost: () => {
        isLost = true;
      },
    });
    leave(path, { host: 'another' });
    await until(() => isLost);
    await release();
    expect(idIn(path)).toBe('theirs');
  });
});

describe('the turns at a file', () => {
  /** Runs so many turns at once; the most that were inside at a time. */
  async function turns(path: string, count: number): Promise<number> {
    let inside = 0;
    let most = 0;
    const turn = async (number: number) =>
      await withFileLock(
        path,
        async () => {
          most = Math.max(most, ++inside);
          await breathe();
          inside--;
          return number;
        },
        { beatMs },
      );
    const numbers = Array.from({ length: count }, (_, i) => i);
    expect(await Promise.all(numbers.map(turn))).toEqual(numbers);
    return most;
  }

  it('come one after the other, and leave nothing behind', async () => {
    const path = newPath();
    expect(await turns(path, 30)).toBe(1);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it('end with their work, also when it fails', async () => {
    const path = newPath();
    await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it.each([{ pid: 2 ** 22 + 1 }, { host: 'another' }])(
    'continue after a program of %j that died, one at a time',
    async (holder) => {
      const path = newPath();
      leave(`${path}.lock`, holder);
      expect(await turns(path, 10)).toBe(1);
      expect(readdirSync(dirname(path))).toEqual([]);
    },
  );

  it('are not waited for for ever', async () => {
    const path = newPath();
    leave(`${path}.lock`, { host: 'another' });
    const work = () => Promise.reject(new Error('it was another’s turn'));
    await expect(withFileLock(path, work, { patienceMs: 50 })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: `another program has been changing ${path} for a long time`,
      hint: expect.stringContaining('.lock'),
    });
    expect(existsSync(`${path}.lock`)).toBe(true);
  });
});

it.runIf(process.platform === 'linux')(
  'a lock of a process that has ended is free before its parent has reaped it',
  async () => {
    const path = newPath();
    // A child of a program that waits for none: it ends once its parent has become that program.
    const script = 'cat <&3 >&2 & echo $!; exec sleep 1000 3<&-';
    const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const stat = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [line] = parent.stdout === null ? [] : await once(parent.stdout, 'data');
    const pid = Number(String(line));
    await until(() => stat(parent.pid ?? 0).includes('(sleep)'));
    parent.stdio[3]?.destroy();
    await until(() => stat(pid).includes(') Z '));
    leave(path, { pid });
    await take(path);
    expect(idIn(path)).not.toBe('theirs');
  },
);
