// Caches on disks of this virtual machine: each is formatted at its first use, and mounted.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GomoteError, messageOf } from '../errors.ts';
import type { CachePlace } from './caches.ts';

/** How long the system may take to find a disk, in ms. */
const deviceTimeoutMs = 60_000;

const pauseMs = 100;

/** What disks are formatted with. */
const fileSystem = 'ext4';

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
        if (!isMounted(device, at)) await mount(device, at);
        // A disk that can only be read is mounted, too, and one that has failed stays so.
        accessSync(at, constants.W_OK);
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

/** Whether a buildlet that was on this machine before has mounted it. */
const isMounted = (device: string, at: string): boolean =>
  statSync(at, { throwIfNoEntry: false })?.dev === statSync(device).rdev;

async function mount(device: string, at: string): Promise<void> {
  const found = await whatIsOn(device);
  if (found === undefined) await run(`mkfs.${fileSystem}`, '-q', '-m', '0', device);
  else if (found !== fileSystem) throw new Error(`it has "${found}" on it, and not ${fileSystem}`);
  mkdirSync(at, { recursive: true, mode: 0o755 });
  await run('mount', '-t', fileSystem, '-o', 'noatime,nodev,nosuid', device, at);
}

/** The type of its content; undefined when nothing is known to be on it. Anything else than that is not formatted. */
async function whatIsOn(device: string): Promise<string | undefined> {
  try {
    const found = await run('blkid', '-p', '-o', 'export', device);
    return /^(?:PT)?TYPE=(.+)$/m.exec(found)?.[1] ?? 'something';
  } catch (error) {
    if ((error as { code?: unknown }).code === 2) return undefined;
    throw error;
  }
}

const execute = promisify(execFile);

const run = async (program: string, ...args: string[]): Promise<string> =>
  (await execute(program, args)).stdout;
