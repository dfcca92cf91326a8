// The content store of an owner on an engine: what was pushed to one container is not sent to the next.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { boxAndPlain, docker, newLab, storesOf } from './lab.ts';

const root = '/opt/gomote/store/contents';

function storeLab(section?: string) {
  const lab = newLab(boxAndPlain, section);
  const tree = join(lab.cli.directory, 'tree');
  mkdirSync(tree);
  // As many as are made ahead.
  for (let index = 0; index < 150; index++) writeFileSync(join(tree, `${index}`), `file ${index}`);
  writeFileSync(join(tree, 'large'), randomBytes(400_000));
  const push = async (name: string) => {
    const { code, stderr } = await lab.gomote(['push', name, tree]);
    expect(code, stderr).toBe(0);
    return stderr;
  };
  /** Whether the container has the tree and nothing else, by its own digests. */
  const isThere = async (name: string) => {
    const { code, stderr } = await lab.gomote(['pull', '--dry-run', name, 'tree', tree]);
    expect(code, stderr).toBe(0);
    return stderr;
  };
  /** A container of each kind. */
  const second = async (type: string) => {
    const first = await lab.create(type);
    expect(await push(first)).not.toContain('from the store');
    await lab.gomote(['destroy', first]);
    return await lab.create(type);
  };
  return { ...lab, tree, push, isThere, second };
}

describe('the store of an owner on an engine', () => {
  it.each(['box', 'plain'])(
    'is a volume from which the next container (%s) gets what was pushed',
    async (type) => {
      const { user, push, gomote, isThere, second, create } = storeLab();
      const name = await second(type);
      expect(await push(name)).toContain('from the store');
      expect(await isThere(name)).toContain('nothing');
      expect(storesOf(user)).toHaveLength(1);
      // It is no cache, and no leftover.
      expect((await gomote(['cache', 'list', '--json'])).stdout.trim()).toBe('[]');
      await gomote(['destroy', name]);
      expect(await gomote(['cache', 'purge'])).toMatchObject({ code: 0 });
      const [volume = ''] = storesOf(user);
      expect(await gomote(['reap'])).toMatchObject({
        ...{ code: 0, stdout: expect.not.stringContaining(volume) },
      });
      const third = await create(type);
      expect(await push(third)).toContain('from the store');
    },
  );

  it("has nothing of another owner's", async () => {
    const [one, other] = [storeLab(), storeLab()];
    const name = await one.second('box');
    await one.push(name);
    const theirs = await other.create('box');
    expect((await other.sh(theirs, `ls ${root}/own`)).stdout).toBe('');
    const { code, stderr } = await other.gomote(['push', theirs, one.tree]);
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('store'),
    });
    expect(storesOf(one.user)).not.toEqual(storesOf(other.user));
  });

  it.each([
    ['other bytes', `for f in ${root}/own/*.pack; do echo zzzzzzzz | dd conv=notrunc of=$f; done`],
    ['empty packs', `for f in ${root}/own/*.pack; do : >$f; done`],
    [
      'lists of other packs',
      `cd ${root}/own; for f in *.list; do cat *.list *.list >x; mv x $f; done`,
    ],
    ['a closed store', `chmod 0 ${root}/own/*`],
    ['a store that others may write to', `chmod 777 ${root}`],
    ['a room that others may write to', `chmod 777 ${root}/own`],
    ['a file in its place', `rm -r ${root}; touch ${root}`],
    ['a link in its place', `mv ${root} ${root}2; ln -s ${root}2 ${root}`],
  ])('does no harm with %s, which commands can put there', async (_, script) => {
    const { push, isThere, sh, second, create } = storeLab();
    const name = await second('box');
    await push(name);
    expect(await sh(name, script)).toMatchObject({ code: 0 });
    const next = await create('box');
    await push(next);
    expect(await isThere(next)).toContain('nothing');
    expect((await sh(next, 'cat tree/7')).stdout).toBe('file 7');
  });

  it('does not exist with a size of 0', async () => {
    const section = `
default = "d"
[backends.d]
kind = "docker"
network = "none"
store-size = 0
`;
    const { user, push, second, sh } = storeLab(section);
    const name = await second('box');
    expect(await push(name)).not.toContain('from the store');
    expect(await sh(name, 'ls /opt/gomote')).toMatchObject({ stdout: 'payload\nrun\n' });
    expect(storesOf(user)).toEqual([]);
  });
});

it('the volumes of stores have their owner and role in labels', async () => {
  const { user, create } = storeLab();
  await create('box');
  const [volume = ''] = storesOf(user);
  expect(volume).toMatch(/^gomote-store-[0-9a-f]{24}$/);
  const [{ Labels }] = JSON.parse(docker('volume', 'inspect', volume));
  expect(Labels).toMatchObject({ 'gomote.owner': user, 'gomote.role': 'store' });
});
