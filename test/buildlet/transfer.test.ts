// Archives between our own ends: packed as the client wishes, counted at both, compared.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hasZstd } from '../../src/protocol/has-zstd.ts';
import { compressions } from '../../src/protocol/transfer.ts';
import { packTar } from '../../src/tar/pack.ts';
import { unpackTar } from '../../src/tar/unpack.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { serveRaw } from '../helpers/raw-server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function tree(): string {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'd'));
  writeFileSync(join(root, 'd/f'), 'hello');
  writeFileSync(join(root, 'big'), Buffer.alloc(3 << 20, 'gomote'));
  return root;
}

const ours = hasZstd ? compressions : compressions.filter((c) => c !== 'zstd');

describe.each([
  ['with its features', undefined],
  ['without them', []],
])('a buildlet %s', (_what, features) => {
  it.each(ours)('takes an archive in %s and reports what it counted', async (compress) => {
    if (features !== undefined && compress === 'zstd') return;
    const buildlet = await startBuildlet({ features });
    const sent = await buffer(packTar(tree(), '.', { compress }));
    const summary = await clientOf(buildlet).putTar(sent, 'up', { compress });
    expect(summary).toMatchObject({ wireBytes: sent.length, sha256: sha256(sent) });
    const counted = features === undefined ? [2, (3 << 20) + 5] : [undefined, undefined];
    expect([summary.files, summary.bytes]).toEqual(counted);
    expect(readFileSync(join(buildlet.workDir, 'up/d/f'), 'utf8')).toBe('hello');
    expect(readdirSync(buildlet.workDir)).toEqual(['up']);
  });

  it.each(ours)('sends an archive in %s, or in gzip, that unpacks', async (compress) => {
    const buildlet = await startBuildlet({ features, workDir: tree() });
    const download = await clientOf(buildlet).download('', { compress });
    const archive = await buffer(download.body);
    const isZstd = features === undefined && compress === 'zstd';
    expect(download.compression).toBe(isZstd ? 'zstd' : 'gzip');
    if (!isZstd) expect(gunzipSync(archive).length).toBeGreaterThan(3 << 20);
    const { files } = download.summary();
    expect(files).toBe(features === undefined ? 2 : undefined);
    expect(download.summary()).toMatchObject({ sha256: sha256(archive) });
    const root = temporaryDirectory();
    await unpackTar(Readable.from([archive]), { root, dir: '.' });
    expect(readdirSync(root).sort()).toEqual(['big', 'd']);
  });
});

const reply = (head: string[], body: string): Buffer =>
  Buffer.from(['HTTP/1.1 200 OK', ...head, '', body].join('\r\n'));

describe('a buildlet that counted other bytes', () => {
  const wrong = `files=1, bytes=1, wire=1, sha256=${'0'.repeat(64)}`;

  it('fails the upload', async () => {
    const server = await serveRaw(reply([`Gomote-Totals: ${wrong}`, 'Content-Length: 2'], 'OK'));
    const archive = gzipSync(Buffer.alloc(1024));
    await expect(clientOf(server as never).putTar(archive, 'd')).rejects.toMatchObject({
      code: 'ERR_LOST',
      message: expect.stringContaining('counted 1 bytes'),
    });
  });

  it.each([
    ['says another digest', `Gomote-Totals: ${wrong}\r\n`],
    ['promised it and says nothing', ''],
  ])('fails the download when it %s', async (_what, trailer) => {
    const head = ['Trailer: Gomote-Totals', 'Transfer-Encoding: chunked'];
    const server = await serveRaw(reply(head, `1\r\nx\r\n0\r\n${trailer}\r\n`));
    const { body } = await clientOf(server as never).download('d');
    await expect(buffer(body)).rejects.toMatchObject({ code: 'ERR_LOST' });
  });
});
