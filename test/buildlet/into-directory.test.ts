// What a put, and what an archive, tells beyond the base protocol.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { rawTar } from '../archive/raw-archive.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';

async function* content() {
  yield Buffer.from('content');
}

it('a file goes into the directory that its path is, under its own name', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  mkdirSync(join(buildlet.workDir, 'src'));
  for (const path of ['src', 'other']) {
    await client.files.put(content(), path, { mode: 0o644, into: 'own' });
  }
  expect(readFileSync(join(buildlet.workDir, 'src/own'), 'utf8')).toBe('content');
  expect(readFileSync(join(buildlet.workDir, 'other'), 'utf8')).toBe('content');
  await expect(client.files.put(content(), 'src', { mode: 0o644 })).rejects.toThrow(
    'is a directory',
  );
  for (const into of ['..', '.', 'a/b']) {
    const sent = client.files.put(content(), 'src', { mode: 0o644, into });
    await expect(sent).rejects.toThrow("bad 'into' parameter");
  }
});

it('an upload tells of a second archive that was not read', async () => {
  const client = clientOf(await startBuildlet());
  const archive = gzipSync(Buffer.concat([rawTar({ name: '/a/f' }), rawTar({ name: 'second' })]));
  const { warnings } = await client.putTar(archive, '');
  expect(warnings).toEqual([
    'a second archive follows the first in the same stream; it was not read',
  ]);
});
