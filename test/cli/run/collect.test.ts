// The output and the work directory of a run, kept in the current directory.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Workshop, workshop } from '../../helpers/programs.ts';

const files = ({ directory }: Workshop) =>
  readdirSync(directory).filter((file) => !file.startsWith('.') && !file.startsWith('gomote'));

const listing = async (shop: Workshop, archive: string) =>
  (await shop.run('tar', 'tzf', archive)).stdout.toString().split('\n');

describe('gomote run --collect', () => {
  it.each([0, 3])('keeps output and work directory of a run that ends with %i', async (code) => {
    const shop = workshop();
    const name = await shop.create();
    const script = `echo out; echo err >&2; mkdir dir; echo made >dir/file; exit ${code}`;
    const result = await shop.gomote('run', '--collect', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code });
    const output = join(shop.directory, `${name}.stdout`);
    expect(result.stdout.toString()).toBe('out\n');
    expect(readFileSync(output, 'utf8').split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(await listing(shop, `${name}.tar.gz`)).toContain('dir/file');
    expect(result.stderr).toContain(`# Streaming results from "${name}" to "${output}"...\n`);
    expect(result.stderr).toContain(`# Wrote results from "${name}" to "${output}".\n`);
    expect(result.stderr).toContain(
      `# Downloading work dir tarball for "${name}" to "${name}.tar.gz"...\n`,
    );
  });

  it('keeps the complete output of the last of several runs', async () => {
    const shop = workshop();
    const name = await shop.create();
    const script = 'echo x >>n; seq $((10 - $(wc -l <n)))';
    const options = ['--collect', '--until', '^1\n2\n3\n4\n5\n6\n7\n$'];
    expect(await shop.gomote('run', ...options, name, 'sh', '-c', script)).toMatchObject({
      code: 0,
    });
    const output = readFileSync(join(shop.directory, `${name}.stdout`), 'utf8');
    expect(output).toBe('1\n2\n3\n4\n5\n6\n7\n');
  });

  it('fails when the archive cannot be written, and leaves the rest', async () => {
    const shop = workshop();
    const name = await shop.create();
    mkdirSync(join(shop.directory, `${name}.tar.gz`));
    mkdirSync(join(shop.directory, `${name}.tar.gz`, 'full'));
    const result = await shop.gomote('run', '--collect', name, 'echo', 'out');
    expect(result).toMatchObject({ code: 125, stderr: expect.stringContaining('cannot write') });
    expect(readFileSync(join(shop.directory, `${name}.stdout`), 'utf8')).toBe('out\n');
    expect(files(shop).sort()).toEqual([`${name}.stdout`, `${name}.tar.gz`]);
  });

  it('keeps the status of a command that failed before the archive did', async () => {
    const shop = workshop();
    const name = await shop.create();
    mkdirSync(join(shop.directory, `${name}.tar.gz`, 'full'), { recursive: true });
    const result = await shop.gomote('run', '--collect', name, 'sh', '-c', 'exit 7');
    expect(result).toMatchObject({ code: 7, stderr: expect.stringContaining('cannot write') });
  });

  it('collects the files of a run that exceeded its time', async () => {
    const shop = workshop();
    const name = await shop.create();
    const script = 'echo made >file; exec sleep 1000';
    const options = ['--collect', '--timeout', '2s'];
    const result = await shop.gomote('run', ...options, name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 124 });
    expect(await listing(shop, `${name}.tar.gz`)).toContain('file');
  });

  it('writes a name with a slash as one file', async () => {
    const shop = workshop();
    const name = await shop.create();
    expect(await shop.gomote('run', '--collect', `local/${name}`, 'true')).toMatchObject({
      code: 0,
    });
    expect(files(shop).sort()).toEqual([`local%2F${name}.stdout`, `local%2F${name}.tar.gz`]);
  });
});

describe('the built program', () => {
  it('reports an invalid pattern like any other failure', async () => {
    const shop = workshop();
    const name = await shop.create();
    const result = await shop.gomote('run', '--until', '(', name, 'true');
    expect(result).toMatchObject({
      code: 125,
      stderr:
        'gomote: --until "(" is not a regular expression: missing closing ) "("; the syntax is that of Go and RE2, which has no lookahead and no \\1\n',
    });
  });
});
