// Identifies a file to another process, which may see different file systems.
import { fstatSync } from 'node:fs';
import { statSync } from './named-fs.ts';

/**
 * What tells a file or directory from every other one of its machine, whatever its path: its device and inode. Links are
 * followed. Throws as `stat` does.
 */
export function fileIdentity(file: string | number): string {
  const options = { bigint: true } as const;
  const { dev, ino } =
    typeof file === 'string' ? statSync(file, options) : fstatSync(file, options);
  return `${dev}:${ino}`;
}
