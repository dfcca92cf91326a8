// Listings that two threads examine: in order, with the digests of what is there now.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { all } from '../helpers/collect.ts';

const sha1 = (content: string | Buffer) => createHash('sha1').update(content).digest('hex');

it('a listing of many files has all of them in order, with the digests of what is there now', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const top = join(buildlet.workDir, 'top');
  const expected = new Map<string, string | undefined>();
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(join(top, name), content);
    expected.set(name, sha1(content));
  };
  const fill = (directories: readonly number[], text: string) => {
    for (const d of directories) {
      mkdirSync(join(top, `d${d}`), { recursive: true });
      expected.set(`d${d}`, undefined);
      for (let f = 100; f < 300; f++) write(`d${d}/f${f}`, `${text} ${d} ${f}`);
    }
  };
  const check = async () => {
    const listed = await all(client.listDir('top', { recursive: true, digest: true }));
    const names = [...expected.keys()].sort();
    expect(listed.map(({ name }) => name)).toEqual(names);
    expect(listed.map(({ digest }) => digest)).toEqual(names.map((name) => expected.get(name)));
  };
  fill([1, 2, 3, 4, 5], 'first');
  write('d2/large', Buffer.alloc(3_000_001, 'large'));
  write('d4/empty', '');
  symlinkSync('f100', join(top, 'd3/link'));
  expected.set('d3/link', undefined);
  await check();
  // Directories that were known are there again with other files, of the same sizes.
  rmSync(join(top, 'd1'), { recursive: true });
  fill([1], 'again');
  write('d5/f200', 'other');
  await check();
  await check();
});

it('a listing whose reader leaves early ends, and the next one is whole', async () => {
  const buildlet = await startBuildlet();
  const client = clientOf(buildlet);
  const top = join(buildlet.workDir, 'top');
  mkdirSync(top);
  const names = Array.from({ length: 2_000 }, (_, i) => `file-${10_000 + i}`);
  for (const name of names) writeFileSync(join(top, name), name);
  for await (const { name } of client.listDir('top', { digest: true })) {
    expect(name).toBe(names[0]);
    break;
  }
  const listed = await all(client.listDir('top', { digest: true }));
  expect(listed.map(({ digest }) => digest)).toEqual(names.map(sha1));
});
