// What a put, and what an archive, tells beyond the base protocol.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { rawTar } from '../tar/raw-archive.ts';

async function* content() {
  yield Buffer.from('content');
}

it('a file whose path is a directory goes into it, under its own name', async () => {
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

it('an upload reports a second archive that was not read', async () => {
  const client = clientOf(await startBuildlet());
  const archive = gzipSync(Buffer.concat([rawTar({ name: '/a/f' }), rawTar({ name: 'second' })]));
  const { warnings } = await client.putTar(archive, '');
  expect(warnings).toEqual([
    'a second archive follows the first in the same stream; it was not read',
  ]);
});

it.skipIf(process.getuid?.() !== 0)('a download names what it could not pack', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  writeFileSync(join(buildlet.workDir, 'f'), 'content');
  execFileSync('mknod', [join(buildlet.workDir, 'device'), 'c', '1', '3']);
  const download = await client.download('', { isPartial: true });
  const archive = await buffer(download.body);
  const names = execFileSync('tar', ['-tz'], { input: archive, encoding: 'utf8' });
  expect(names).toBe('f\n');
  expect(download.summary()).toMatchObject({
    files: 1,
    skipped: { count: 1, first: ['device: a device cannot be sent'] },
  });
  await expect(client.download('')).rejects.toThrow('a device cannot be sent');
});
