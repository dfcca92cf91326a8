// Single files, from a buildlet with the extension and from one without it, over connections that break.
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../../helpers/buildlet.ts';
import { startCutter } from '../../helpers/cutter.ts';
import { until } from '../../helpers/processes.ts';

const content = randomBytes(3_000_001);
const time = new Date(1_500_000_000_000);

describe.each([
  ['with the extension', undefined],
  ['without it', []],
])('a file of a buildlet %s', (_what, features) => {
  const start = () => startBuildlet({ features });

  it.each([
    ['large', content],
    ['empty', Buffer.alloc(0)],
  ])('is read completely, with its mode and time (%s)', async (_size, bytes) => {
    const buildlet = await start();
    mkdirSync(join(buildlet.workDir, 'd'));
    const path = join(buildlet.workDir, 'd/f');
    writeFileSync(path, bytes, { mode: 0o750 });
    utimesSync(path, time, time);
    const file = await clientOf(buildlet).files.get('d/f');
    expect(file).toMatchObject({ mode: 0o750, mtimeMs: time.getTime(), sizeBytes: bytes.length });
    expect((await buffer(file.body)).equals(bytes)).toBe(true);
    expect(file.summary()).toMatchObject({ files: 1, bytes: bytes.length });
  });

  it.each([
    ['large', content],
    ['small', content.subarray(0, 1000)],
    ['empty', Buffer.alloc(0)],
  ])('is written completely, with its mode (%s)', async (_size, bytes) => {
    const buildlet = await start();
    const source = Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]);
    const options = { mode: 0o755, mtimeMs: time.getTime() };
    await clientOf(buildlet).files.put(source, 'a/b', options);
    const path = join(buildlet.workDir, 'a/b');
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o755);
    if (features === undefined) expect(statSync(path).mtimeMs).toBe(time.getTime());
  });

  it('that is a directory, is absent or lies outside is refused', async () => {
    const buildlet = await start();
    mkdirSync(join(buildlet.workDir, 'd'));
    writeFileSync(join(buildlet.workDir, 'd/f'), '');
    const { files } = clientOf(buildlet);
    // What the base protocol packs is an archive of a directory.
    const isBase = features !== undefined;
    for (const [path, code] of [
      ['d', isBase ? 'ERR_LOCAL_FILE' : 'ERR_STATUS'],
      ['absent', 'ERR_NO_SUCH_FILE'],
      ['../x', 'ERR_PATH'],
      ['/etc/passwd', 'ERR_PATH'],
    ] as const) {
      await expect(files.get(path), path).rejects.toMatchObject({ code });
    }
  });
});

describe('a connection that breaks', () => {
  async function behindCutter(kind: 'drop' | 'end' | 'corrupt', direction: 'up' | 'down') {
    const buildlet = await startBuildlet();
    writeFileSync(join(buildlet.workDir, 'f'), content);
    const cutter = await startCutter(buildlet.address);
    const client = clientOf({ ...buildlet, address: cutter.address });
    await client.has('file');
    cutter.drop();
    // Every connection brings a part of it.
    cutter.plan = () => ({ kind, direction, afterBytes: 700_000 });
    return { buildlet, client, cutter };
  }

  it.each(['drop', 'end'] as const)('is reopened, and the file is read on (%s)', async (kind) => {
    const { client, cutter } = await behindCutter(kind, 'down');
    const before = cutter.connections;
    const file = await client.files.get('f');
    expect((await buffer(file.body)).equals(content)).toBe(true);
    expect(cutter.connections - before).toBeGreaterThanOrEqual(5);
    expect(cutter.downBytes).toBeLessThan(content.length * 1.2);
  });

  it('reveals a file that has changed since its first part', async () => {
    const { client, buildlet } = await behindCutter('drop', 'down');
    const file = await client.files.get('f');
    appendFileSync(join(buildlet.workDir, 'f'), 'x');
    await expect(buffer(file.body)).rejects.toThrow('f changed while it was read');
  });

  it('or lies is reported, and nothing is taken for the file', async () => {
    const { client } = await behindCutter('corrupt', 'down');
    const file = await client.files.get('f');
    await expect(buffer(file.body)).rejects.toMatchObject({ code: 'ERR_LOST' });
  });

  it.each(
    (['drop', 'end', 'corrupt'] as const).flatMap(
      (kind) =>
        [
          [kind, 'large', content.length],
          [kind, 'small', 900_000],
        ] as const,
    ),
  )('leaves the old content when a file is written (%s, %s)', async (kind, _size, sizeBytes) => {
    const { client, buildlet } = await behindCutter(kind, 'up');
    writeFileSync(join(buildlet.workDir, 'f'), 'old');
    const other = Readable.from([randomBytes(sizeBytes)]);
    const put = client.files.put(other, 'f', { mode: 0o644 });
    await expect(put).rejects.toMatchObject({
      code: kind === 'corrupt' ? expect.stringMatching(/^ERR_/) : 'ERR_CONNECT',
    });
    await client.disconnect();
    await until(() => readdirSync(buildlet.workDir).length === 1);
    expect(readFileSync(join(buildlet.workDir, 'f'), 'utf8')).toBe('old');
  });
});
