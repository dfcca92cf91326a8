import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type LockOptions, takeLock } from '../../../src/coordinator/state/state-lock.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const beatMs = 50;
const newPath = () => join(temporaryDirectory(), 'lock');
const idIn = (path: string) => JSON.parse(readFileSync(path, 'utf8')).id;

function leave(path: string, holder: object): void {
  writeFileSync(path, JSON.stringify({ id: 'theirs', host: hostname(), pid: 1, ...holder }));
}

async function take(path: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const release = await takeLock(path, { beatMs, ...options });
  onTestFinished(release);
  return release;
}

it('is of one process at a time, and free when it is released', async () => {
  const path = newPath();
  const release = await take(path);
  await expect(take(path)).rejects.toThrow(`process ${process.pid} already serves`);
  await release();
  expect(existsSync(path)).toBe(false);
  await take(path);
});

it('is taken from a process of this machine that is dead, and from an earlier container', async () => {
  for (const pid of [2 ** 22 + 1, process.pid]) {
    const path = newPath();
    leave(path, { pid });
    await take(path);
    expect(idIn(path)).not.toBe('theirs');
  }
});

it('is taken over when what is in it tells nobody', async () => {
  const path = newPath();
  writeFileSync(path, '4711\n');
  await take(path);
});

it('of another machine is waited for until its holder stops touching it', async () => {
  const path = newPath();
  leave(path, { host: 'another' });
  const touching = setInterval(() => utimesSync(path, new Date(), new Date()), beatMs / 2);
  onTestFinished(() => clearInterval(touching));
  const waited: string[] = [];
  let isTaken = false;
  const taking = take(path, { onWaiting: (host) => waited.push(host) }).then(() => {
    isTaken = true;
  });
  await until(() => waited.length > 0);
  const beats = Array.from({ length: 8 }, (_, n) => n);
  for (const _ of beats) await new Promise((resolve) => setTimeout(resolve, beatMs));
  expect([isTaken, idIn(path)]).toEqual([false, 'theirs']);
  clearInterval(touching);
  await taking;
  expect([waited, idIn(path) === 'theirs']).toEqual([['another'], false]);
});

it('of another machine is not waited for any longer than wanted', async () => {
  const path = newPath();
  leave(path, { host: 'another' });
  const cancel = new AbortController();
  const taking = take(path, {
    signal: cancel.signal,
    beatMs: 60_000,
    onWaiting: () => cancel.abort(),
  });
  await expect(taking).rejects.toThrow();
  expect(idIn(path)).toBe('theirs');
});

it('that was taken over is no longer touched, nor removed at the end, and its holder is told', async () => {
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
