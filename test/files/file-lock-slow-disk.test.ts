// Locks on a disk that is slow to remove a lock.
import { readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { withFileLock } from '../../src/files/file-lock.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

vi.mock('node:fs/promises', async (load) => {
  const real = await load<typeof import('node:fs/promises')>();
  const rm: typeof real.rm = async (...args) => {
    if (`${args[0]}`.endsWith('.lock')) await sleep(40);
    await real.rm(...args);
  };
  return { ...real, rm };
});

describe('a lock on a slow disk', () => {
  it.each([
    { was: 'free', holder: undefined },
    { was: 'of a program that died', holder: { id: 'dead', host: hostname(), pid: 2 ** 22 + 1 } },
  ])('has one holder at a time when it was $was', async ({ holder }) => {
    const path = join(temporaryDirectory(), 'file');
    if (holder) writeFileSync(`${path}.lock`, JSON.stringify(holder));
    let inside = 0;
    const turn = async () =>
      await withFileLock(
        path,
        async () => {
          expect(++inside).toBe(1);
          await sleep(50);
          inside--;
        },
        { beatMs: 50 },
      );
    await Promise.all(Array.from({ length: 8 }, turn));
    expect(readdirSync(dirname(path))).toEqual([]);
  });
});
