// Trees up and down by the programs themselves, on whatever Node runs them: zstd is part of the newer ones.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasZstd } from '../../src/protocol/has-zstd.ts';
import { workshop } from '../helpers/programs.ts';

/** More than one piece, and compressible. */
const content = Array.from({ length: 60_000 }, (_, line) => `line ${line}\n`).join('');

function plantTree(directory: string): void {
  const tree = join(directory, 'tree');
  for (const name of ['', 'd', 'd/e', 'empty']) mkdirSync(join(tree, name));
  for (let file = 0; file < 300; file++) writeFileSync(join(tree, 'd', `f${file}`), `file ${file}`);
  writeFileSync(join(tree, 'd/e/big'), content);
  writeFileSync(join(tree, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
}

describe('a tree', () => {
  it.each(hasZstd ? ['auto', 'none', 'gzip', 'zstd'] : ['auto', 'none', 'gzip'])(
    'is sent and fetched with --compress %s, completely, and then only its changes',
    async (compress) => {
      const { directory, gomote, run, create } = workshop();
      plantTree(directory);
      const name = await create();
      const how = ['--json', '--compress', compress];
      const said = async (...args: string[]) => {
        const { code, stdout, stderr } = await gomote(...args);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        return JSON.parse(stdout.toString());
      };
      const first = await said('push', ...how, name, 'tree');
      expect(first).toMatchObject({ files: 302, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
      // Left to choose, they name the files to each other.
      const isShort = compress !== 'none';
      expect(first.wireBytes < content.length).toBe(isShort);
      expect(await said('pull', ...how, name, 'tree', 'back')).toMatchObject({ files: 302 });
      const same = async () => {
        expect(await run('diff', '-r', 'tree', 'back')).toMatchObject({ code: 0, stderr: '' });
      };
      await same();
      writeFileSync(join(directory, 'tree/d/f1'), 'changed');
      expect(await said('push', ...how, name, 'tree')).toMatchObject({ files: 1 });
      expect(await said('pull', ...how, name, 'tree', 'back')).toMatchObject({ files: 1 });
      await same();
    },
  );

  it.runIf(!hasZstd)('is not compressed by zstd if this Node does not support it', async () => {
    const { directory, gomote, create } = workshop();
    plantTree(directory);
    const pushed = await gomote('push', '--compress', 'zstd', await create(), 'tree');
    expect(pushed).toMatchObject({ code: 2, stderr: expect.stringContaining('has no zstd') });
  });
});
