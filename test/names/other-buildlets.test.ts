import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { syncFeature } from '../../src/protocol/features.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { makeFile, makeOddTree, oddPaths, readOddTree } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { gnuTarGz } from '../tar/raw-archive.ts';

const files = (top: string): string[] =>
  Object.keys(readOddTree(top)).filter((path) => !path.startsWith('link'));

describe('a buildlet without the extension for names', () => {
  it.each([
    ['the base protocol', [], /[\\\t\n]/],
    ['trees', [syncFeature], /\\|[^\0-\x7f]/],
  ])(
    'gets by %s what it accepts; the rest is named, and the status is 1',
    async (how, features, refused) => {
      const buildlet = await startBuildlet({ features });
      const cli = testCli();
      const top = temporaryDirectory();
      makeOddTree(top);
      const name = `x@${buildlet.address}`;
      // Of names that are not ASCII, these are UTF-8.
      const isTaken = (path: string) =>
        ['caf\xc3\xa9', '\xef\xbf\xbd'].includes(path) || !refused.test(path);
      const push = () => cli(['push', '--no-ignore', '--json', '--dest', 'd', name, top]);
      for (let round = 1; round <= 2; round++) {
        const pushed = await push();
        expect(pushed, how).toMatchObject({ code: 1 });
        const { unsent } = JSON.parse(pushed.stdout);
        expect(files(join(buildlet.workDir, 'd')).sort()).toEqual(oddPaths.filter(isTaken).sort());
        expect(unsent.length).toBeGreaterThan(0);
        expect(pushed.stderr).toContain('back\\slash');
      }
    },
  );
});

/** As Go's: `names` of a directory, each a file that holds its name, in lines that do not tell a newline from their own. */
async function startGoLike(top: string, names: readonly string[]): Promise<string> {
  const line = (name: string): string => {
    const sha1 = createHash('sha1').update(Buffer.from(name, 'latin1')).digest('hex');
    return `-rw-r--r--\t${name}\t${name.length}\t2017-07-14T02:40:00Z\t${sha1}\n`;
  };
  const listing = Buffer.from(names.map(line).join(''), 'latin1');
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    if (pathname === '/ls' && searchParams.get('dir') === 'd') response.end(listing);
    else if (pathname === '/ls') {
      response.writeHead(500).end('Walk error: lstat /w/.gomote/push: no such file or directory\n');
    } else if (pathname === '/tgz') response.end(gnuTarGz(top));
    else if (pathname === '/status') response.end('{"Version":11}');
    else response.writeHead(404).end('not found\n');
  });
  const socket = join(temporaryDirectory(), 'socket');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  return `x@unix:${socket}`;
}

describe('a buildlet of Go', () => {
  it('lists names that are not UTF-8; the error names what it cannot list, and the rest is fetched', async () => {
    const top = temporaryDirectory();
    const names = ['caf\xe9', 'new\nline', 'plain', 'tab\tbed'];
    for (const name of names) makeFile(top, name);
    const cli = testCli();
    const buildlet = await startGoLike(top, names);
    const listed = await cli(['ls', buildlet, 'd']);
    expect(listed.code).toBe(1);
    expect(listed.stderr).toContain('new');
    expect(listed.bytes.toString('latin1')).toMatch(
      /^-rw-r--r--\tcaf\xe9\t.*\n-rw-r--r--\tplain\t.*\n$/,
    );
    const to = join(temporaryDirectory(), 'to');
    const pulled = await cli(['pull', buildlet, 'd', to]);
    expect(pulled.code).toBe(1);
    expect(pulled.stderr).toContain('newline or tab');
    expect(Object.keys(readOddTree(to)).sort()).toEqual(['caf\xe9', 'plain'].sort());
  });
});
