// What `npm pack` makes is all a user needs.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { consumer, run } from './consumer.ts';

const root = new URL('../../', import.meta.url).pathname;

/** The most that an installation may take, without the packages that are optional, in bytes. */
const installLimitBytes = 15e6;

function sizeOf(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

it('the packed tarball has what users need, and installs little beside it', () => {
  const rooms = new Set(inject('packed').map((path) => path.split('/')[0]));
  expect([...rooms].sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bin',
    'dist',
    'docs',
    'package.json',
    'schemas',
    'skills',
  ]);

  // For those who work on it.
  const forContributors = /^docs\/(api\/|decisions\/|(architecture|performance|CONTRIBUTING)\.md)/;
  expect(inject('packed').filter((path) => forContributors.test(path))).toEqual([]);

  const modules = join(inject('installed'), 'node_modules');
  const installed = readdirSync(modules).filter(
    (name) => !name.startsWith('.') && name !== '@lydell',
  );
  expect(installed).not.toContain('googleapis');
  expect(installed).not.toContain('@kubernetes');
  const sizes = installed.map((name) => sizeOf(join(modules, name)));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(installLimitBytes);
});

it('the packed tarball has the licenses of the packages whose code it has', () => {
  const path = join(inject('installed'), 'node_modules/gomote/dist/LICENSES.txt');
  const names = readFileSync(path, 'utf8').match(/^[\w@/.-]+(?= \d+\.\d+\.\d+$)/gm);
  // Of programs, of threads, of files apart and of the library alone.
  expect(names).toEqual(
    expect.arrayContaining(['commander', 'tar', '@kubernetes/client-node', 'ssh2', 'valibot']),
  );
  expect(names).not.toContain('vitest');
});

it('the programs of the tarball start, and work together', async () => {
  const directory = consumer();
  const bin = join(inject('installed'), 'node_modules', '.bin');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const program of ['gomote', 'buildlet', 'coordinator']) {
    expect(await run(directory, join(bin, program), '--version')).toBe(`${version}\n`);
  }
  const name = (await run(directory, join(bin, 'gomote'), 'create', 'local')).trim();
  try {
    const hello = await run(directory, join(bin, 'gomote'), 'run', name, 'echo', 'hello');
    expect(hello).toBe('hello\n');
  } finally {
    await run(directory, join(bin, 'gomote'), 'destroy', name);
  }
});

it('the library of the tarball can be required', async () => {
  const script = 'const { open } = require("gomote"); console.log(typeof open)';
  const options = ['--no-warnings', '--input-type=commonjs', '-e', script];
  expect(await run(consumer(), process.execPath, ...options)).toBe('function\n');
});
