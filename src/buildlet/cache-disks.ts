// Caches on disks of this virtual machine: each is formatted at its first use, and mounted.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GomoteError, messageOf } from '../errors.ts';
import type { CachePlace } from './caches.ts';

/** How long the system may take to find a disk, in ms. */
const deviceTimeoutMs = 60_000;

const pauseMs = 100;

/** Where disks are mounted. */
const mountRoot = '/mnt/disks';

/**
 * Mounts disks, whose paths are given as `directory` of their caches. Returns the caches with the directories on them.
 * Throws ERR_MACHINE.
 */
export async function mountCacheDisks(
  disks: readonly CachePlace[],
  root = mountRoot,
): Promise<CachePlace[]> {
  return await Promise.all(
    disks.map(async ({ path, directory: device }) => {
      const at = join(root, basename(device));
      try {
        await waitForDevice(device);
        if (await isBlank(device)) await run('mkfs.ext4', '-q', '-m', '0', device);
        mkdirSync(at, { recursive: true, mode: 0o755 });
        await run('mount', '-t', 'ext4', '-o', 'noatime,nodev,nosuid', device, at);
        // Beside `lost+found`, which tools would take for a part of their cache.
        const directory = join(at, 'content');
        mkdirSync(directory, { recursive: true, mode: 0o755 });
        return { path, directory };
      } catch (error) {
        const message = `the disk ${device} of the cache at ${path} cannot be used: ${messageOf(error)}`;
        throw new GomoteError('ERR_MACHINE', message, {
          hint: 'a buildlet with disks runs as root, with the programs blkid, mkfs.ext4 and mount; gomote cache purge removes a damaged disk',
          cause: error,
        });
      }
    }),
  );
}

async function waitForDevice(device: string): Promise<void> {
  const deadline = Date.now() + deviceTimeoutMs;
  while (!existsSync(device)) {
    if (Date.now() > deadline) throw new Error('it is not there');
    await sleep(pauseMs);
  }
}

/** Whether nothing is known to be on it. A disk with anything else than our file system is not formatted, and not mounted. */
async function isBlank(device: string): Promise<boolean> {
  try {
    await run('blkid', '-p', device);
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === 2) return true;
    throw error;
  }
}

const execute = promisify(execFile);

const run = async (program: string, ...args: string[]): Promise<void> =>
  void (await execute(program, args));
