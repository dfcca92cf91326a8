// Files in which the kernel tells of processes.
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';

/**
 * A process controls its own arguments and environment, and can make them appear gigabytes long. No program is started with more
 * than 6 MiB of both together.
 */
const limitBytes = 8 << 20;

const firstBytes = 16 << 10;

/** The first 8 MiB; undefined when the process is gone, another user's, or the system has no /proc. */
export async function readOfProcess(
  pid: number | string,
  what: 'cmdline' | 'environ',
): Promise<Buffer | undefined> {
  try {
    const file = await open(`/proc/${pid}/${what}`);
    try {
      let bytes = Buffer.allocUnsafe(firstBytes);
      let sizeBytes = 0;
      for (;;) {
        const { bytesRead } = await file.read(bytes, sizeBytes);
        sizeBytes += bytesRead;
        const isAll = bytesRead === 0 || sizeBytes === limitBytes;
        if (isAll) return bytes.subarray(0, sizeBytes);
        if (sizeBytes < bytes.length) continue;
        bytes = Buffer.concat([bytes], 2 * sizeBytes);
      }
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** The text of a file of the kernel; undefined where there is none, or it cannot be read. */
export function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Whether there is such a process. */
export function trySignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
