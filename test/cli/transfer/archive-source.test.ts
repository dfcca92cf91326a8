// puttar takes a tar archive by its content, whatever its name and compression.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasZstd } from '../../../src/protocol/has-zstd.ts';
import { testCli } from '../../helpers/cli.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const content = 'text of a file\n'.repeat(100_000);

/** A tar archive of `a/b`, sent through the program. */
function archive(program: string | undefined, format = 'gnu'): Buffer {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'a'));
  writeFileSync(join(directory, 'a/b'), content);
  const maxBuffer = 64 << 20;
  const tar = execFileSync('tar', [`--format=${format}`, '-c', 'a'], { cwd: directory, maxBuffer });
  return program === undefined ? tar : execFileSync(program, ['-c'], { input: tar, maxBuffer });
}

const isInstalled = (program: string): boolean =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;

const programs = [undefined, 'gzip', 'xz', 'bzip2', 'zstd'].filter(
  (program) => program === undefined || isInstalled(program),
);

describe('puttar', () => {
  it('takes an archive of any compression, from a file of any name and from standard input', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const file = join(temporaryDirectory(), 'archive.tgz');
    for (const program of programs) {
      const bytes = archive(program);
      writeFileSync(file, bytes);
      const dir = program ?? 'plain';
      expect(await cli(['puttar', '--dir', `f-${dir}`, name, file])).toMatchObject({ code: 0 });
      const stdin = [bytes.subarray(0, 3), bytes.subarray(3)];
      expect(await cli(['puttar', '--dir', `s-${dir}`, name, '-'], { stdin })).toMatchObject({
        code: 0,
      });
      for (const kind of ['f', 's']) {
        const { stdout } = await cli(['run', name, 'cat', `${kind}-${dir}/a/b`]);
        expect(stdout === content, dir).toBe(true);
      }
    }
  });

  it.each(['v7', 'ustar', 'pax'])('takes a plain archive of the format %s', async (format) => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const stdin = [archive(undefined, format)];
    expect(await cli(['puttar', name, '-'], { stdin })).toMatchObject({ code: 0, stderr: '' });
    expect(await cli(['puttar', name, '-'], { stdin: [Buffer.alloc(10240)] })).toMatchObject({
      code: 0,
    });
  });

  it('refuses what is not an archive, and what cannot be unpacked, with the name as given', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const file = join(temporaryDirectory(), 'x.tar');
    const failing = async (bytes: Buffer | string) => {
      writeFileSync(file, bytes);
      const { code, stderr } = await cli(['puttar', name, file]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^gomote: [^\n]+\n$/);
      return stderr;
    };
    const hint = 'give a .tar, also compressed with gzip, xz, bzip2 or zstd';
    for (const bytes of ['hello\n', 'x'.repeat(5000), 'PK\x03\x04'.padEnd(2000, 'x')]) {
      const said = await failing(bytes);
      expect(said).toContain(`"${file}" is not a tar archive`);
      expect(said).toContain(hint);
    }
    expect(await failing('')).toContain(`"${file}" is empty`);
    for (const program of programs) {
      if (program === undefined) continue;
      // The buildlet unpacks these, and says what is wrong.
      const isSent = program === 'gzip' || (program === 'zstd' && hasZstd);
      const whole = archive(program);
      const half = whole.subarray(0, whole.length - 20);
      expect(await failing(half)).toContain(
        isSent ? `${name}: tar error: ` : `"${file}" cannot be unpacked by ${program}`,
      );
      const text = execFileSync(program, ['-c'], { input: 'x'.repeat(5000) });
      expect(await failing(text)).toContain(
        isSent ? `${name}: tar error: ` : `"${file}" is not a tar archive`,
      );
    }
    expect((await cli(['ls', name])).stdout).toBe('');
  });

  it('reports which program is missing', async () => {
    if (isInstalled('lzip')) return;
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const { code, stderr } = await cli(['puttar', name, '-'], { stdin: ['LZIP'.padEnd(600, 'x')] });
    expect(code).toBe(1);
    expect(stderr).toContain('is compressed with lzip, which is not installed here; install lzip');
  });
});
