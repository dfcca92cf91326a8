import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseListLine } from '../../src/protocol/listing.ts';
import { nameFromBytes } from '../../src/protocol/name-bytes.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { cliWithBuildlet } from '../helpers/cli-buildlet.ts';
import { all } from '../helpers/collect.ts';
import { at, makeOddTree, oddPaths, readOddTree } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

async function buildlet() {
  const { cli, name, workDir } = await cliWithBuildlet();
  makeOddTree(workDir);
  return { cli, name, workDir };
}

const nameOf = (path: string): string => nameFromBytes(Buffer.from(path, 'latin1'));

describe('names that are any bytes', () => {
  it('are all in a listing, in the order of their bytes', async () => {
    const { workDir, ...rest } = await startBuildlet();
    makeOddTree(workDir);
    const client = clientOf({ workDir, ...rest });
    const listed = await all(client.listDir('', { recursive: true, digest: true }));
    const files = listed.filter(({ type }) => type === 'file').map(({ name }) => name);
    expect([...files].sort()).toEqual(oddPaths.map(nameOf).sort());
    const top = listed.map(({ name }) => name).filter((name) => !name.includes('/'));
    const sorted = Object.keys(readOddTree(workDir)).map((path) => path.split('/')[0] ?? '');
    expect(top).toEqual([...new Set(sorted)].sort().map(nameOf));
    const some = await all(client.listDir('d\udcff'));
    expect(some.map(({ name }) => name)).toEqual(['in\udcfe it', 'plain']);
    const skipped = await all(client.listDir('', { recursive: true, skip: ['d\udcff'] }));
    expect(skipped.filter(({ name }) => name.startsWith('d\udcff'))).toEqual([]);
  });

  it('are printed by gomote ls unchanged, and on a terminal escaped', async () => {
    const { cli, name } = await buildlet();
    const piped = await cli(['ls', name]);
    expect(piped.code).toBe(0);
    expect(piped.bytes.toString('latin1')).toContain('\tcaf\xe9\t');
    expect(piped.bytes.toString('latin1')).toContain('\tback\\slash\t');
    expect(piped.bytes.toString('latin1')).toContain('\tnew\nline\t');
    const shown = await cli(['ls', name], { isTerminal: true });
    expect(shown.stdout).toMatch(/ {2}caf\\xe9 /);
    expect(shown.stdout).toMatch(/ {2}new\\nline /);
    expect(shown.stdout).toMatch(/ {2}esc\\x1b\[31m /);
  });

  it.each(oddPaths)('are accepted by gomote get, put and rm: %j', async (path) => {
    const { cli, name, workDir } = await cliWithBuildlet();
    const source = join(temporaryDirectory(), 'source');
    writeFileSync(source, 'content');
    mkdirSync(join(workDir, 'x'));
    const remote = `x/${nameOf(path)}`;
    expect(await cli(['put', name, source, remote])).toMatchObject({ code: 0 });
    expect(readOddTree(workDir)).toEqual({ [`x/${path}`]: 'content' });
    expect(await cli(['get', name, remote, '-'])).toMatchObject({ code: 0, stdout: 'content' });
    const to = temporaryDirectory();
    const base = path.slice(path.lastIndexOf('/') + 1);
    expect(await cli(['get', name, remote, `${to}/${nameOf(base)}`])).toMatchObject({ code: 0 });
    expect(readFileSync(at(to, base), 'latin1')).toBe('content');
    expect(await cli(['get', name, remote, `${to}/`])).toMatchObject({ code: 0 });
    expect(await cli(['rm', name, remote])).toMatchObject({ code: 0 });
    expect(existsSync(at(workDir, `x/${path}`))).toBe(false);
  });

  it('are in JSON as text and in base64 if they are not UTF-8', async () => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    writeFileSync(join(top, 'plain'), '');
    await cli(['push', '--dest', 'p', name, top]);
    writeFileSync(at(workDir, 'p/caf\xe9'), '');
    writeFileSync(at(workDir, 'p/new\nline'), '');
    expect(JSON.parse((await cli(['diff', '--json', name])).stdout)).toEqual([
      {
        status: 'A',
        path: 'p/caf\\xe9',
        pathBase64: Buffer.from('p/caf\xe9', 'latin1').toString('base64'),
      },
      { status: 'A', path: 'p/new\nline' },
    ]);
  });
});

describe('a line of a listing', () => {
  it.each([
    ['-rw-r--r--\ta\\tb\\\\n\\n\t1\t2017-07-14T02:40:00Z', 'a\tb\\n\n'],
    ['drwxr-xr-x\td\\n/', 'd\n'],
  ])('reads %j as %j when names are escaped', (line, name) => {
    expect(parseListLine(line, { isEscaped: true })?.name).toBe(name);
  });

  it.each([
    '-rw-r--r--\ta\\x\t1\t2017-07-14T02:40:00Z',
    '-rw-r--r--\ta\\\t1\t2017-07-14T02:40:00Z',
  ])('refuses %j when names are escaped', (line) => {
    expect(parseListLine(line, { isEscaped: true })).toBeUndefined();
  });

  it('that is cut at a newline in its name is not a line', () => {
    expect(parseListLine('-rw-r--r--\tnew')).toBeUndefined();
  });
});
