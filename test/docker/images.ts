// The images that the tests need, made before them and removed after.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** An image with a shell and without Node, and one with a single program, as of distroless images. */
export const images = { shell: 'gomote-test/shell:1', bare: 'gomote-test/bare:1' };

const programs = {
  shell: [
    'sh',
    'bash',
    'cat',
    'chmod',
    'dd',
    'env',
    'head',
    'id',
    'ln',
    'ls',
    'mkdir',
    'mv',
    'ps',
    'rm',
    'sleep',
    'tail',
    'touch',
  ],
  bare: ['cat'],
};

export function setup(): () => void {
  for (const key of ['shell', 'bare'] as const) {
    execFileSync(join(import.meta.dirname, 'image'), [images[key], ...programs[key]]);
  }
  return () => {
    execFileSync('docker', ['rmi', '--force', ...Object.values(images)], { stdio: 'ignore' });
  };
}
