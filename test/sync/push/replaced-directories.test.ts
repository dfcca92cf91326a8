// What builds have made in directories that no push has sent, where the tree here has a file or link of the same name.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { onAllKinds, pushBench } from '../push-helper.ts';

const put = (path: string, content = 'built') => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};

onAllKinds((kind) => {
  /** A tree that was pushed; builds have made directories since, and files and links here have their names. */
  async function inTheWay() {
    const bench = await pushBench(kind);
    const { top, there, push } = bench;
    put(join(top, 'd/sent'), 'sent');
    await push();
    for (const path of ['file/o', 'link/in/o', 'd/small/o', 'big/o']) put(join(there, path));
    mkdirSync(join(there, 'empty/in'), { recursive: true });
    put(join(top, 'file'), 'new');
    put(join(top, 'd/small'), 'new');
    put(join(top, 'big'), 'x'.repeat(3 << 20));
    symlinkSync('d/sent', join(top, 'link'));
    put(join(top, 'empty'), 'new');
    put(join(top, 'rest'), 'new');
    return bench;
  }
  const refused = ['big', 'd/small', 'file', 'link'];

  it('a push names what would replace a directory that is not empty, and sends the rest', async () => {
    const { there, push } = await inTheWay();
    for (let round = 0; round < 2; round++) {
      const { unsent, changes } = await push();
      expect([...unsent.keys()].sort()).toEqual(refused);
      for (const path of refused)
        expect(unsent.get(path)?.message).toMatch(/ in(\/o)? |\/?o in it/);
      expect(
        changes.some((change) => 'entry' in change && refused.includes(change.entry.path)),
      ).toBe(false);
      for (const path of ['file/o', 'link/in/o', 'd/small/o', 'big/o']) {
        expect(readFileSync(join(there, path), 'utf8')).toBe('built');
      }
      expect(readFileSync(join(there, 'empty'), 'utf8')).toBe('new');
      expect(readFileSync(join(there, 'rest'), 'utf8')).toBe('new');
    }
  });

  it.each([{ force: true }, { mirror: true }])(
    'a push with %o replaces such directories',
    async (how) => {
      const { there, push } = await inTheWay();
      const { unsent } = await push(how);
      expect([...unsent]).toEqual([]);
      for (const path of ['file', 'd/small', 'big', 'empty']) {
        expect(lstatSync(join(there, path)).isFile()).toBe(true);
      }
      expect(readlinkSync(join(there, 'link'))).toBe('d/sent');
    },
  );

  // By the base protocol, an archive is taken whole or not at all.
  it.skipIf(kind.features !== undefined)(
    'a push names links that lead out only together, and sends the rest',
    async () => {
      const { top, there, push } = await pushBench(kind);
      put(join(top, 'a'), 'a');
      symlinkSync('.', join(top, 'b'));
      symlinkSync('b/../..', join(top, 'out'));
      symlinkSync('a', join(top, 'in'));
      const first = await push();
      put(join(top, 'later'), 'later');
      const second = await push();
      for (const { unsent } of [first, second]) expect([...unsent.keys()]).toEqual(['out']);
      expect(existsSync(join(there, 'out'))).toBe(false);
      expect(readlinkSync(join(there, 'in'))).toBe('a');
      expect(readFileSync(join(there, 'later'), 'utf8')).toBe('later');
    },
  );
});
