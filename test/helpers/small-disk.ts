// Small file systems of their own, which can be full.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary.ts';
import { missing } from './tools.ts';

export const canMount = tryMount() || missing('this user may not mount a tmpfs');
if (!canMount) console.warn('SKIPPED: no small file system can be mounted here');

/** The directory at which one of this size, such as `1m`, is mounted until the test ends. */
export function mounted(size: string, path = temporaryDirectory()): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'gomote-test', path], {
    stdio: 'ignore',
  });
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}

function tryMount(): boolean {
  try {
    const path = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    execFileSync('mount', ['-t', 'tmpfs', 'gomote-test', path], { stdio: 'ignore' });
    execFileSync('umount', [path]);
    execFileSync('rmdir', [path]);
    return true;
  } catch {
    return false;
  }
}
