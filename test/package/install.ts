// Packs the package and installs it in an empty directory, once for all tests of this directory.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where `node_modules` has the package and its dependencies, as a user gets them. */
    installed: string;
    /** The paths in the tarball. */
    packed: string[];
  }
}

export default function setup({ provide }: TestProject): () => void {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'gomote-package-')));
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync('npm', args, { cwd, encoding: 'utf8' });
  const root = new URL('../../', import.meta.url).pathname;
  const [packed] = JSON.parse(npm(root, 'pack', '--json', '--pack-destination', directory)) as [
    { filename: string; files: { path: string }[] },
  ];
  writeFileSync(join(directory, 'package.json'), '{"private": true, "type": "module"}');
  npm(directory, 'install', '--no-audit', '--no-fund', join(directory, packed.filename));
  provide('installed', directory);
  provide(
    'packed',
    packed.files.map(({ path }) => path),
  );
  return () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
}
