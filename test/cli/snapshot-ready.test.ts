// The copy of a snapshot that is unpacked ahead.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

const isLinux = process.platform === 'linux';

/** Programs with a snapshot `warm` of a pushed tree and of what a command has made. */
async function withSnapshot(files = 3) {
  const shop = workshop();
  const name = await shop.create();
  const say = async (...args: string[]) => (await shop.gomote(...args)).stdout.toString().trim();
  const tree = join(shop.directory, 'tree');
  mkdirSync(tree);
  for (let n = 0; n < files; n++) writeFileSync(join(tree, `f${n}`), `${n}\n`);
  await shop.gomote('push', '--dest', 't', name, tree);
  const made = "mkdir made; echo x >made/x; chmod 500 made; touch -d '2001-02-03' made . ";
  await shop.gomote('run', '--dir', '.', name, 'sh', '-c', made);
  await say('snapshot', 'create', name, 'warm');
  const store = join(shop.directory, '.local/state/gomote-snapshots');
  const copies = () => readdirSync(join(store, 'warm')).filter((one) => /^ready-/.test(one));
  const facts = async (one: string) =>
    await say(
      'run',
      '--dir',
      '.',
      one,
      'sh',
      '-c',
      "stat -c '%n %F %a %.3Y' made made/x t t/*; cat t/*",
    );
  return { shop, name, say, tree, store, copies, facts };
}

describe.skipIf(!isLinux)('a copy of a snapshot that is ready', () => {
  it('becomes the work directory of the next buildlet, and of no other', async () => {
    const { name, say, tree, copies, facts, store } = await withSnapshot();
    await say('snapshot', 'prepare', 'warm');
    const [copy = ''] = copies();
    const { ino } = statSync(join(store, 'warm', copy, 't'));
    // A second time there is nothing to do.
    await say('snapshot', 'prepare', 'warm');
    expect(copies()).toEqual([copy]);
    const first = await say('create', '--from', 'warm');
    expect(copies()).toEqual([]);
    const inode = async (one: string) =>
      Number(await say('run', '--dir', '.', one, 'stat', '-c', '%i', 't'));
    expect(await inode(first)).toBe(ino);
    const second = await say('create', '--from', 'warm');
    expect(await facts(first)).toBe(await facts(name));
    expect(await facts(second)).toBe(await facts(name));
    await say('run', '--dir', '.', first, 'sh', '-c', 'echo spoiled >t/f0');
    expect(await facts(second)).toBe(await facts(name));
    // What was pushed is known there.
    writeFileSync(join(tree, 'f0'), 'other\n');
    await say('push', '--dest', 't', second, tree);
    expect(await say('run', second, 'cat', 't/f0')).toBe('other');
    expect(readdirSync(store)).toEqual(['warm']);
  });

  it('of an earlier boot is not used, and replaced', async () => {
    const { say, copies, facts, name, store } = await withSnapshot();
    await say('snapshot', 'prepare', 'warm');
    const [copy = ''] = copies();
    const old = join(store, 'warm', 'ready-00000000-0000-4000-8000-000000000000');
    renameSync(join(store, 'warm', copy), old);
    writeFileSync(join(old, 't/f0'), '');
    expect(await facts(await say('create', '--from', 'warm'))).toBe(await facts(name));
    await say('snapshot', 'prepare', 'warm');
    expect(copies()).toEqual([copy]);
    expect(readFileSync(join(store, 'warm', copy, 't/f0'), 'utf8')).toBe('0\n');
  });

  it('is given to one of several buildlets that are created at once', async () => {
    const { say, facts, name, copies } = await withSnapshot();
    await say('snapshot', 'prepare', 'warm');
    const made = (await say('create', '--count', '3', '--from', 'warm')).split('\n');
    expect(copies()).toEqual([]);
    const expected = await facts(name);
    for (const one of made) expect(await facts(one)).toBe(expected);
  });

  it('exists for the three snapshots that were used last', async () => {
    const { say, name, store } = await withSnapshot();
    const tags = ['one', 'two', 'three', 'four'];
    for (const tag of tags) {
      await say('snapshot', 'create', name, tag);
      await say('snapshot', 'prepare', tag);
    }
    const withCopy = tags.filter((tag) =>
      readdirSync(join(store, tag)).some((one) => one.startsWith('ready-')),
    );
    expect(withCopy).toEqual(['two', 'three', 'four']);
  });

  it('is made in the background of a large snapshot, again after each use, and removed with it', async () => {
    const { say, copies, store, facts, name } = await withSnapshot(1_001);
    await until(() => copies().length === 1);
    const made = await say('create', '--from', 'warm');
    await until(() => copies().length === 1);
    expect(await facts(made)).toBe(await facts(name));
    await until(() => !existsSync(join(store, 'warm/prepare.lock')));
    await say('snapshot', 'remove', 'warm');
    expect(readdirSync(store)).toEqual([]);
  });

  it('that was not finished when its gomote was killed is not used, and removed', async () => {
    const { shop, say, copies, facts, name, store } = await withSnapshot(300);
    for (let round = 0; round < 3; round++) {
      const child = shop.start('gomote', ['snapshot', 'prepare', 'warm']);
      const ended = ending(child);
      const begun = () => readdirSync(store).some((one) => one.startsWith('.new-'));
      await until(() => child.exitCode !== null || copies().length > 0 || begun());
      child.kill('SIGKILL');
      await ended;
      expect(await facts(await say('create', '--from', 'warm'))).toBe(await facts(name));
    }
    await say('snapshot', 'prepare', 'warm');
    expect(readdirSync(store)).toEqual(['warm']);
    expect(copies()).toHaveLength(1);
  });

  it('is not made of a snapshot of the kind image', async () => {
    const { shop, copies, store } = await withSnapshot();
    const record = join(store, 'warm/snapshot.json');
    const kept = JSON.parse(readFileSync(record, 'utf8'));
    writeFileSync(record, JSON.stringify({ ...kept, kind: 'image', image: 'sha256:1' }));
    expect(await shop.gomote('snapshot', 'prepare', 'warm')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"warm" has an image at local, and is not unpacked here'),
    });
    expect(copies()).toEqual([]);
  });

  it('is not made of a damaged archive', async () => {
    const { shop, copies, store } = await withSnapshot();
    const archive = join(store, 'warm/files.tgz');
    const bytes = readFileSync(archive);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    chmodSync(archive, 0o600);
    writeFileSync(archive, bytes);
    const { code } = await shop.gomote('snapshot', 'prepare', 'warm').catch(() => ({ code: 1 }));
    expect(code).not.toBe(0);
    expect(copies()).toEqual([]);
    expect(readdirSync(store)).toEqual(['warm']);
  });
});
