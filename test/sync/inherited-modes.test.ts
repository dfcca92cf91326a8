// Directories that give what is made in them modes of their own: each file has the mode that was sent, also after one
// whose directory does nothing of the kind.
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';
import { directory, file, plant, type Tree } from '../tar/tree.ts';
import { allKinds, pushBench } from './push-helper.ts';

const hasAcl = process.platform === 'linux' && hasTool('setfacl');

/** The first and the last, where the umask alone decides. */
const kinds: [name: string, make: (path: string) => void][] = [
  ['a-plain', () => undefined],
  ['closing', (path) => acl(path, 'u::rwx,g::---,o::---')],
  ['group', (path) => chmodSync(path, 0o2755)],
  ['opening', (path) => acl(path, 'u::rwx,g::rwx,o::rwx')],
  ['z-plain', () => undefined],
];

function acl(path: string, entries: string): void {
  if (hasAcl) execFileSync('setfacl', ['-d', '-m', entries, path]);
}

const content: Tree = [
  ['exec', file('x', 0o755)],
  ['open', file('x', 0o644)],
  ['secret', file('x', 0o600)],
  ['sub', directory([['deep', file('x', 0o644)]], 0o755)],
  ['sub-closed', directory([['deep', file('x', 0o600)]], 0o700)],
];
const sent: Tree = kinds.map(([name]) => [name, directory(content, 0o755)]);

/** The directories as they are before anything is sent. */
function prepare(top: string): void {
  for (const [name, make] of kinds) {
    mkdirSync(join(top, name), { recursive: true });
    make(join(top, name));
  }
}

/** Of all that is below the directories that were there before. */
function modes(top: string): string[] {
  return (readdirSync(top, { recursive: true }) as string[])
    .filter((path) => path.includes('/'))
    .map((path) => `${path} ${(lstatSync(join(top, path)).mode & 0o7777).toString(8)}`)
    .sort();
}

it.each(allKinds)(
  'a push to %s and a pull from it keep modes everywhere',
  async (_kind, options) => {
    const { top, there, push, pull } = await pushBench(options);
    plant(top, sent);
    prepare(there);
    await push();
    expect(modes(there)).toEqual(modes(top));
    // Also what is sent again, file by file.
    for (const [name] of kinds) plant(join(top, name), [['later', file('y', 0o644)]]);
    await push();
    expect(modes(there)).toEqual(modes(top));
    const back = temporaryDirectory();
    prepare(back);
    await pull(back);
    expect(modes(back)).toEqual(modes(top));
  },
);

it('an archive keeps modes everywhere', async () => {
  const { top, there, client, push } = await pushBench({});
  plant(top, sent);
  await push();
  const archive = await buffer(await client.getTar('tree'));
  const other = join(there, '../other');
  prepare(other);
  await client.putTar(archive, 'other');
  expect(modes(other)).toEqual(modes(top));
});
