// The archives that Go's client and buildlet have sent each other.
import { execFileSync } from 'node:child_process';
import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packTar } from '../../src/tar/pack.ts';
import { loadExchanges, parseResponse } from '../helpers/wire.ts';
import { collect, unpack } from './raw-archive.ts';
import { names, temporaryDirectory } from './tree.ts';

const exchanges = loadExchanges('buildlet');
const exchange = (name: string) => exchanges.find((one) => one.name === name)!;
const uploaded = (name: string) => exchange(name).request.body;
const answered = (name: string) => parseResponse(exchange(name).response);

test.each(['writetgz', 'writetgz-root', 'writetgz-symlink'])(
  'the recorded archive %s is extracted',
  async (name) => {
    const root = temporaryDirectory();
    await unpack(uploaded(name), root, 'up');
    expect(names(join(root, 'up')).length).toBeGreaterThan(0);
  },
);

test.each([
  'writetgz-dotdot',
  'writetgz-abs',
  'writetgz-truncated',
  'writetgz-not-gzip',
  'writetgz-bad-tar',
])('the recorded archive %s is refused in the same words', async (name) => {
  const text = answered(name).body.toString().trimEnd();
  const error = await unpack(uploaded(name), temporaryDirectory(), 'up').catch((caught) => caught);
  expect(error).toMatchObject({ code: 'ERR_ARCHIVE' });
  expect(error.message.replace(/( unexpected EOF) in .*/, '$1')).toBe(text);
});

test.each(['tgz', 'tgz-release'])('the recorded archive %s is unpacked unchanged', async (name) => {
  const root = temporaryDirectory();
  const archive = answered(name).body;
  await unpack(archive, root);
  const listed = execFileSync('tar', ['-tz'], { input: archive, encoding: 'utf8' });
  const slashes = names(root).map((path) =>
    lstatSync(join(root, path)).isDirectory() ? `${path}/` : path,
  );
  expect(slashes).toEqual(listed.trimEnd().split('\n').sort());
  const types = names(root).map((path) => lstatSync(join(root, path)));
  expect(types.some((stats) => stats.isFIFO())).toBe(true);
  expect(types.some((stats) => (stats.mode & 0o4000) !== 0)).toBe(true);
  const link = names(root).find((path) => lstatSync(join(root, path)).isSymbolicLink())!;
  expect(readlinkSync(join(root, link))).not.toBe('');
});

test('an archive of what a Go buildlet packed has the same names, modes, times and targets', async () => {
  const root = temporaryDirectory();
  const archive = answered('tgz').body;
  await unpack(archive, root);
  const list = (input: Buffer) =>
    execFileSync('tar', ['-tvz', '--numeric-owner', '--full-time'], { input, encoding: 'utf8' });
  expect(list(await collect(packTar(root, '.')))).toBe(list(archive));
});

test('the entry without a name, which a Go buildlet sends for a file, is refused', async () => {
  const { body } = answered('tgz-file');
  await expect(unpack(body, temporaryDirectory())).rejects.toThrow(
    'tar file contained invalid name ""',
  );
});
