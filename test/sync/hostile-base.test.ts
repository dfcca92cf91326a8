// A hostile buildlet that knows the base protocol alone: what it says of pushes, and what it gives as an archive.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import { serveHttp } from '../helpers/http-server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { type RawEntry, rawTarGz } from '../tar/raw-archive.ts';

const sha1 = (content: string) => createHash('sha1').update(content).digest('hex');
const line = (path: string, size: number, content: string) =>
  `-rw-r--r--\t${path}\t${size}\t2026-01-01T00:00:00Z\t${sha1(content)}\n`;

/** A client of one with these lines of a listing and these archives, of the records and of the tree. */
async function hostile(lines: string[], records: RawEntry[], tree: RawEntry[]) {
  const address = await serveHttp((request, response, path) => {
    request.resume();
    const dir = new URL(request.url ?? '', 'http://x').searchParams.get('dir') ?? '';
    const isRecords = dir.startsWith('.gomote');
    if (path === '/status') response.end('{"Version":11}');
    else if (path === '/ls') response.end(isRecords ? line('id', 1, 'x') : lines.join(''));
    else if (path === '/tgz') response.end(rawTarGz(...(isRecords ? records : tree)));
    else response.writeHead(404).end();
  });
  const client = new BuildletClient(address);
  onTestFinished(() => client.disconnect());
  return client;
}

it('an entry that is not a file among the records of pushes is ignored', async () => {
  const secret = join(temporaryDirectory(), 'secret');
  const records: RawEntry[] = [
    { name: 'directory', type: '5' },
    { name: 'id', type: '2', link: '/etc/passwd' },
    { name: 'hard', type: '1', link: '/etc/passwd' },
    { name: 'pipe', type: '6' },
    { name: 'device', type: '3' },
    { name: `../../../../../../../..${secret}`, content: 'x' },
    { name: 'a/b', content: 'x' },
    { name: 'odd', content: '\0'.repeat(3_000) },
  ];
  const client = await hostile([line('ok', 1, 'x')], records, [{ name: 'ok', content: 'x' }]);
  const to = temporaryDirectory();
  const { signal } = new AbortController();
  const options = { dir: 'tree', signal, cacheDirectory: temporaryDirectory() };
  await pull(client, to, options);
  expect(readFileSync(join(to, 'ok'), 'utf8')).toBe('x');
  expect(existsSync(secret)).toBe(false);
});

it('a file that differs in size from its listing is not fetched, and the rest is', async () => {
  const large = 'x'.repeat(1 << 20);
  const lines = [line('large', 1, large), line('small', 9, 'y'), line('ok', 1, 'x')];
  const client = await hostile(
    lines,
    [],
    [
      { name: 'large', content: large },
      { name: 'small', content: 'y' },
      { name: 'ok', content: 'x' },
    ],
  );
  const to = temporaryDirectory();
  const { signal } = new AbortController();
  await pull(client, to, { dir: 'tree', signal, cacheDirectory: temporaryDirectory() }).catch(
    () => undefined,
  );
  expect(existsSync(join(to, 'large'))).toBe(false);
  expect(existsSync(join(to, 'small'))).toBe(false);
  expect(readFileSync(join(to, 'ok'), 'utf8')).toBe('x');
});
