// Writes dist/gomote.1, the page of man(1), from the commands' own help.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { build } from 'esbuild';

export async function buildMan(root) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // In the package, where the packages are found that stay outside.
  const directory = mkdtempSync(join(root, 'dist', 'man-'));
  try {
    const outfile = join(directory, 'man-page.mjs');
    await build({
      entryPoints: [join(root, 'scripts/man-page.ts')],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
    });
    const { manPage } = await import(outfile);
    const nothing = () => new Writable({ write: (_chunk, _encoding, done) => done() });
    const terminal = { stdin: Readable.from([]), stdout: nothing(), stderr: nothing() };
    const page = await manPage(version, { ...terminal, environment: {} });
    writeFileSync(join(root, 'dist/gomote.1'), page);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
