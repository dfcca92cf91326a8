import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packTar } from '../../src/tar/pack.ts';
import { testCli } from '../helpers/cli.ts';
import { makeFile, makeOddTree, readOddTree } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { collect, gnuTarGz, rawTar, unpack } from '../tar/raw-archive.ts';

async function oddTree() {
  const top = temporaryDirectory();
  makeOddTree(top);
  return { top, tree: readOddTree(top) };
}

/** Names of every length round the sizes of a header's fields. */
const lengths = [98, 99, 100, 101, 102, 154, 155, 156, 157, 255];

describe('an archive of names that are any bytes', () => {
  it('is extracted by GNU tar as it was packed', async () => {
    const { top, tree } = await oddTree();
    const to = temporaryDirectory();
    const input = await collect(packTar(top, '.'));
    const said = execFileSync('tar', ['-xz', '-C', to], { input, stdio: 'pipe' });
    expect(said.toString()).toBe('');
    expect(readOddTree(to)).toEqual(tree);
  });

  it('keeps its names whatever their length', async () => {
    const top = temporaryDirectory();
    for (const length of lengths) {
      makeFile(top, `${'x'.repeat(length - 1)}\xe9`);
      makeFile(top, `${'d'.repeat(length - 1)}\xe9/f`);
      makeFile(top, `${'y'.repeat(length)}/f\xe9`);
    }
    const tree = readOddTree(top);
    const archive = await collect(packTar(top, '.'));
    const [byGnu, byUs] = [temporaryDirectory(), temporaryDirectory()];
    execFileSync('tar', ['-xz', '-C', byGnu], { input: archive });
    expect(readOddTree(byGnu)).toEqual(tree);
    await unpack(archive, byUs);
    expect(readOddTree(byUs)).toEqual(tree);
  });

  it.each(['gnu', 'pax', 'oldgnu'])(
    'is unpacked as GNU tar has packed it, format %s',
    async (format) => {
      const { top, tree } = await oddTree();
      const to = temporaryDirectory();
      await unpack(gnuTarGz(top, `--format=${format}`), to);
      expect(readOddTree(to)).toEqual(tree);
    },
  );

  it('is unpacked with the prefix of a name that is not UTF-8', async () => {
    const top = temporaryDirectory();
    makeFile(top, `${'d\xe9'.repeat(40)}/${'f\xe9'.repeat(40)}`);
    const to = temporaryDirectory();
    await unpack(gnuTarGz(top, '--format=ustar'), to);
    expect(readOddTree(to)).toEqual(readOddTree(top));
  });

  it('is unpacked when it declares its PAX names as binary', async () => {
    const record = (key: string, value: Buffer): Buffer => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
      let length = rest.length + 2;
      while (String(length).length + rest.length !== length) length++;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    };
    const content = Buffer.concat([
      record('hdrcharset', Buffer.from('BINARY')),
      record('path', Buffer.from('caf\xe9', 'latin1')),
    ]);
    const archive = rawTar({ name: 'x', type: 'x', content }, { name: 'f', content: 'caf' });
    const to = temporaryDirectory();
    await unpack(gzipSync(archive), to);
    expect(readOddTree(to)).toEqual({ 'caf\xe9': 'caf' });
  });
});

describe('gomote gettar and puttar', () => {
  it('carry names that are any bytes', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const workDir = (await cli(['run', name, 'pwd'])).stdout.trim();
    const { top, tree } = await oddTree();
    expect(await cli(['puttar', '--dir', 'd', name, top])).toMatchObject({ code: 0 });
    expect(readOddTree(join(workDir, 'd'))).toEqual(tree);
    const file = join(temporaryDirectory(), 'x.tgz');
    expect(await cli(['gettar', '--dir', 'd', '--output', file, name])).toMatchObject({ code: 0 });
    const to = temporaryDirectory();
    execFileSync('tar', ['-xzf', file, '-C', to]);
    expect(readOddTree(to)).toEqual(tree);
    expect(await cli(['puttar', '--dir', 'again', name, file])).toMatchObject({ code: 0 });
    expect(readOddTree(join(workDir, 'again'))).toEqual(tree);
  });
});
