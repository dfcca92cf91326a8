// The files of a buildlet, one at a time; trees that are watched and compared; terminals.
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { buildletFeatures } from '../../src/protocol/features.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { openTestGomote } from '../helpers/gomote.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

async function setUp(features = buildletFeatures as readonly string[]) {
  const { address, workDir } = await startBuildlet({ features });
  const { gomote } = await openTestGomote();
  return { buildlet: await gomote.get(`x@${address}`), workDir };
}

describe.each([
  ['with all extensions', buildletFeatures],
  ['with the base protocol alone', []],
])('files of a buildlet %s', (_, features) => {
  it('are written, read, listed, renamed and removed', async () => {
    const { buildlet, workDir } = await setUp(features);
    const { files } = buildlet;
    await files.write('a/b', 'text é', { mode: 0o700 });
    expect(statSync(join(workDir, 'a/b')).mode & 0o777).toBe(0o700);
    expect(await files.readText('a/b')).toBe('text é');
    await files.write('blob', new Blob(['x']));
    await files.write('bytes', new Uint8Array([0, 255]).buffer);
    expect([...(await files.read('bytes'))]).toEqual([0, 255]);
    await files.mkdir('-p/q');
    await files.mkdir('-p/q');
    expect(await files.exists('-p/q')).toBe(true);
    await files.rename('blob', '-p/q/c');
    expect(await files.readText('-p/q/c')).toBe('x');
    const absent = { code: 'ERR_NO_SUCH_FILE', message: expect.stringMatching(/: none$/) };
    await expect(files.rename('none', 'x')).rejects.toMatchObject(absent);
    await expect(files.rename('a/b', '-p')).rejects.toThrow('is a directory: -p');
    expect((await files.list()).map(({ name }) => name).sort()).toEqual(['-p', 'a', 'bytes']);
    const all = await files.list('-p', { recursive: true });
    expect(all.map(({ name }) => name).sort()).toEqual(['q', 'q/c']);
    await files.remove(['a', 'none']);
    expect(await files.exists('a')).toBe(false);
  });

  it('are not written over a directory, and the hint is about writing', async () => {
    const { buildlet, workDir } = await setUp(features);
    mkdirSync(join(workDir, 'd'));
    await expect(buildlet.files.write('d', 'x')).rejects.toMatchObject({
      message: expect.stringMatching(/is a directory: d$/),
      hint: 'give the path of a file in it',
    });
    await expect(buildlet.files.read('d')).rejects.toMatchObject({
      hint: expect.stringContaining('pull'),
    });
  });

  it('are written from a stream, and fail when it fails, at any moment', async () => {
    const { files } = (await setUp(features)).buildlet;
    await files.write('s', Readable.from([Buffer.from('a'), Buffer.from('b')]));
    expect(await files.readText('s')).toBe('ab');
    const broken = new PassThrough();
    const writing = files.write('t', broken);
    broken.destroy(new Error('no more'));
    await expect(writing).rejects.toMatchObject({ code: 'ERR_LOCAL_FILE' });
    expect(await files.exists('t')).toBe(false);
  });

  it('that do not exist are distinguished from those that do', async () => {
    const { buildlet, workDir } = await setUp(features);
    mkdirSync(join(workDir, 'd'));
    writeFileSync(join(workDir, 'd/f'), '');
    const there = ['', '.', 'd', 'd/', './d/f', 'd/../d'];
    const absent = ['e', 'd/e', 'd/f/g', 'e/f'];
    for (const path of there) expect(await buildlet.files.exists(path), path).toBe(true);
    for (const path of absent) expect(await buildlet.files.exists(path), path).toBe(false);
    await expect(buildlet.files.readText('e')).rejects.toMatchObject({
      message: expect.stringMatching(/no such file or directory: e$/),
    });
  });

  it('are watched: existing ones first, then each change, until the signal', async () => {
    const { buildlet, workDir } = await setUp(features);
    const until = new AbortController();
    const changes = buildlet.files.watch('d', { intervalMs: 10, signal: until.signal });
    const first = changes.next();
    mkdirSync(join(workDir, 'd/e'), { recursive: true });
    expect((await first).value).toEqual({ kind: 'added', path: 'e' });
    const replace = (text: string) => {
      writeFileSync(join(workDir, 'new'), text);
      renameSync(join(workDir, 'new'), join(workDir, 'd/e/f'));
    };
    const steps: [() => void, string, string][] = [
      [() => replace('1'), 'added', 'e/f'],
      // The same size in the same second: the digest tells.
      [() => replace('2'), 'changed', 'e/f'],
      [() => rmSync(join(workDir, 'd/e/f')), 'removed', 'e/f'],
      [() => rmSync(join(workDir, 'd'), { recursive: true }), 'removed', 'e'],
    ];
    for (const [change, kind, path] of steps) {
      change();
      expect((await changes.next()).value).toEqual({ kind, path });
    }
    const last = changes.next();
    until.abort();
    await expect(last).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const bad = buildlet.files.watch('', { intervalMs: Number.NaN });
    await expect(bad.next()).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('stay in the work directory', async () => {
    const { files } = (await setUp(features)).buildlet;
    const outside = { code: 'ERR_PATH' };
    await expect(files.read('../x')).rejects.toMatchObject(outside);
    await expect(files.write('/etc/x', '')).rejects.toMatchObject(outside);
    await expect(files.list('..')).rejects.toMatchObject(outside);
    await expect(files.exists('a/../../x')).rejects.toMatchObject(outside);
    await expect(files.mkdir('/x')).rejects.toMatchObject(outside);
    await expect(files.rename('a', '../x')).rejects.toMatchObject(outside);
    await expect(files.watch('..').next()).rejects.toMatchObject(outside);
    await expect(files.remove('..')).rejects.toMatchObject(outside);
  });

  it('are sent and fetched with their modes', async () => {
    const { buildlet, workDir } = await setUp(features);
    const here = temporaryDirectory();
    writeFileSync(join(here, 'tool'), 'x', { mode: 0o755 });
    await buildlet.put(join(here, 'tool'));
    await buildlet.put(join(here, 'tool'), 'bin/', { mode: 0o700 });
    expect(statSync(join(workDir, 'tool')).mode & 0o777).toBe(0o755);
    expect(statSync(join(workDir, 'bin/tool')).mode & 0o777).toBe(0o700);
    await buildlet.get('bin/tool', join(here, 'back'));
    expect(readFileSync(join(here, 'back'), 'utf8')).toBe('x');
    await buildlet.get('bin/tool', here);
    await expect(buildlet.put(join(here, 'none'))).rejects.toMatchObject({
      code: 'ERR_LOCAL_FILE',
    });
    await expect(buildlet.get('none', here)).rejects.toThrow('no such file or directory: none');
  });
});

it('a tree that is watched is pushed after each change, until the loop is left', async () => {
  const { buildlet, workDir } = await setUp();
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  writeFileSync(join(top, 'a'), '1');
  const sent: number[] = [];
  for await (const { files } of buildlet.watch(top)) {
    sent.push(files);
    if (sent.length === 2) break;
    writeFileSync(join(top, 'b'), '2');
  }
  expect(sent).toEqual([1, 1]);
  expect(readFileSync(join(workDir, 'tree/b'), 'utf8')).toBe('2');
});

it('a tree is compared with what was pushed', async () => {
  const { buildlet } = await setUp();
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  writeFileSync(join(top, 'a'), '1');
  await buildlet.push(top);
  expect(await buildlet.diff()).toEqual([]);
  await buildlet.run('sh', ['-c', 'echo 2 > a; echo 3 > b']);
  expect(await buildlet.diff()).toEqual([
    { status: 'M', path: 'tree/a' },
    { status: 'A', path: 'tree/b' },
  ]);
});

it('a shell runs on a terminal of the given size', async () => {
  const { buildlet } = await setUp();
  const keys = new PassThrough();
  const shell = buildlet.shell({ columns: 91, rows: 17, stdin: keys, env: { SHELL: '/bin/sh' } });
  keys.write('stty size\n');
  let seen = '';
  for await (const chunk of shell.stdout) {
    seen += chunk;
    if (seen.includes('17 91') && !seen.includes('33 101')) {
      await shell.resize(101, 33);
      keys.write('stty size; exit 3\n');
    }
  }
  expect(seen).toContain('33 101');
  expect(await shell).toMatchObject({ exitCode: 3 });
  expect((await buildlet.runs()).map(({ id }) => id)).toEqual([shell.id]);
});
