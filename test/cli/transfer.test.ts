// get, put, puttar and gettar as a user gives them, on a buildlet with the extensions and on one without.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';

const content = Buffer.alloc(300_001, 'gomote');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const time = new Date(1_500_000_000_000);

describe.each([
  ['with the extensions', undefined],
  ['without them', []],
])('a buildlet %s', (_what, features) => {
  async function scene() {
    const buildlet = await startBuildlet({
      features,
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    });
    const cli = testCli();
    const here = (name: string) => join(cli.directory, name);
    const there = (name: string) => join(buildlet.workDir, name);
    return { cli, here, there, name: `local@${buildlet.address}` };
  }

  it('sends a file with its mode and time to a name, a directory or standard output', async () => {
    const { cli, here, there, name } = await scene();
    writeFileSync(there('tool'), content, { mode: 0o755 });
    utimesSync(there('tool'), time, time);
    mkdirSync(here('d'));
    for (const [given, file] of [
      ['other', 'other'],
      ['d', 'd/tool'],
      ['d/', 'd/tool'],
    ] as const) {
      expect(await cli(['get', name, 'tool', here(given)])).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      });
      expect(readFileSync(here(file)).equals(content)).toBe(true);
      expect(statSync(here(file)).mode & 0o777).toBe(0o755);
      expect(statSync(here(file)).mtimeMs).toBe(time.getTime());
    }
    expect((await cli(['get', name, 'tool', '-'])).stdout).toBe(content.toString());
    expect(readdirSync(here('d'))).toEqual(['tool']);
  });

  it('reports a file that it lacks, and nothing is written here', async () => {
    const { cli, here, there, name } = await scene();
    mkdirSync(there('dir/inner'), { recursive: true });
    for (const path of ['absent', 'dir', '../x']) {
      const { code, stderr } = await cli(['get', name, path, here('out')]);
      expect([code, stderr.split('\n').length]).toEqual([1, 2]);
      expect(existsSync(here('out'))).toBe(false);
    }
  });

  it('takes a directory as a whole and sends it in the requested kind of archive', async () => {
    const { cli, here, there, name } = await scene();
    mkdirSync(here('tree/empty'), { recursive: true });
    writeFileSync(here('tree/f'), content, { mode: 0o700 });
    symlinkSync('f', here('tree/link'));
    for (const how of ['auto', 'gzip', 'none']) {
      const put = await cli([
        'puttar',
        name,
        here('tree'),
        '--dir',
        how,
        '--compress',
        how,
        '--json',
      ]);
      expect(put).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(put.stdout)).toMatchObject({ files: 1, bytes: content.length });
      expect(readdirSync(there(how))).toEqual(['empty', 'f', 'link']);
      expect(statSync(there(`${how}/f`)).mode & 0o777).toBe(0o700);
    }
    const got = await cli(['gettar', name, '--dir', 'gzip', '-o', here('a.tgz'), '--json']);
    const archive = readFileSync(here('a.tgz'));
    const summary = {
      wireBytes: archive.length,
      digest: sha256(archive),
      seconds: expect.any(Number),
    };
    expect(JSON.parse(got.stdout)).toMatchObject(summary);
    expect(gunzipSync(archive).length).toBeGreaterThan(content.length);
  });

  it.each(['auto', 'gzip', 'none'])('takes a file (--compress %s)', async (how) => {
    const { cli, here, there, name } = await scene();
    writeFileSync(here('f'), content, { mode: 0o640 });
    const { code, stdout } = await cli(['put', name, here('f'), '--compress', how, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ files: 1, bytes: content.length });
    expect(readFileSync(there('f')).equals(content)).toBe(true);
    expect(statSync(there('f')).mode & 0o777).toBe(0o640);
  });
});

describe('wrong usage', () => {
  it.each([
    ['--json of what goes to stdout', ['get', 'n', 'f', '-', '--json']],
    ['--json of an archive on stdout', ['gettar', 'n', '--json']],
    ['--json of what passes elsewhere', ['puttar', 'n', '--url', 'http://x/', '--json']],
    ['a compression that is none', ['put', 'n', '-', 'f', '--compress', 'lzma']],
    ['a compression of an archive', ['puttar', 'n', '/dev/null', '--compress', 'gzip']],
  ])('is reported before any request: %s', async (_what, argv) => {
    const { code, stderr } = await testCli()(argv);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
  });
});
