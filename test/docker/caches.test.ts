// Caches of an engine: volumes that outlive containers.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { boxAndPlain, docker, newLab } from './lab.ts';

const types = boxAndPlain.replace(
  '[hosts.plain]',
  'caches = [{ name = "home", path = "~/.cache/go-build" }]\n$&',
);

function cacheLab() {
  const lab = newLab(types);
  onTestFinished(async () => {
    await lab.gomote(['destroy', '--all']);
    await lab.gomote(['cache', 'purge']);
  });
  const list = async () => JSON.parse((await lab.gomote(['cache', 'list', '--json'])).stdout);
  return { ...lab, list };
}

describe('a cache of containers', () => {
  it('is a volume that outlives them, below HOME, in the work directory and at an absolute path', async () => {
    const { user, create, gomote, list, sh } = cacheLab();
    const options = ['--cache', 'work:deep/er', '--cache', 'root:/var/kept'];
    const name = await create(...options, 'box');
    const places = '~/.cache/go-build deep/er /var/kept';
    expect(await sh(name, `for d in ${places}; do echo $d >$d/file; done`)).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await list()).toMatchObject(
      ['home', 'root', 'work'].map((one) => ({ name: one, owner: user, buildlets: [name] })),
    );
    expect(await gomote(['cache', 'purge', 'work'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`the cache "work" is in use by ${name}`),
    });
    await gomote(['destroy', name]);
    const other = await create(...options, 'box');
    expect(await sh(other, `cd ~; cat .cache/go-build/file; cat /var/kept/file`)).toMatchObject({
      stdout: expect.stringMatching(/\/\.cache\/go-build\n\/var\/kept\n$/),
    });
    expect(await sh(other, 'cat deep/er/file')).toMatchObject({ stdout: 'deep/er\n' });
    await gomote(['destroy', other]);
    // Podman lists volumes that match one of several filters.
    const stranger = docker('volume', 'create', '--label', `gomote.owner=${user}`);
    onTestFinished(() => void docker('volume', 'rm', '--force', stranger));
    expect(await gomote(['reap'])).toMatchObject({ code: 0 });
    expect(docker('volume', 'ls', '-q').split('\n')).toContain(stranger);
    expect(await list()).toHaveLength(3);
    expect(await gomote(['cache', 'purge'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await list()).toEqual([]);
  });

  it("is neither another user's, nor a foreign volume with its name", async () => {
    const [one, other] = [cacheLab(), cacheLab()];
    const name = await one.create('--cache', 'c:x', 'box');
    await one.sh(name, 'echo secret >x/file');
    const theirs = await other.create('--cache', 'c:x', 'box');
    expect(await other.sh(theirs, 'ls x')).toMatchObject({ code: 0, stdout: '' });
    await one.gomote(['destroy', name]);
    expect(await other.gomote(['cache', 'purge', 'c'])).toMatchObject({ code: 1 });
    expect((await one.list()).map((cache: { name: string }) => cache.name)).toContain('c');
    const volume = docker('volume', 'ls', '-q', '--filter', `label=gomote.owner=${one.user}`)
      .split('\n')
      .find((found) => found.startsWith('gomote-cache-c-'));
    docker('volume', 'rm', String(volume));
    docker('volume', 'create', String(volume));
    expect(await one.gomote(['create', '--cache', 'c:x', 'box'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`the volume ${volume} is not a cache`),
    });
    docker('volume', 'rm', String(volume));
    expect(one.containers()).toEqual([]);
  });

  it('is for one buildlet at a time if exclusive, and can be written by commands that are not root', async () => {
    const { create, gomote, list, sh, containers } = cacheLab();
    const cache = ['--cache', 'c:~/kept,mode=exclusive'];
    const name = await create(...cache, 'plain');
    expect(await sh(name, 'id -u; echo mine >~/kept/file && cat ~/kept/file')).toMatchObject({
      stdout: '1234\nmine\n',
    });
    for (const typed of ['c:x,mode=exclusive', 'c:x']) {
      expect(await gomote(['create', '--cache', typed, 'box'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`"c" is in use by ${name}, which has it for itself`),
      });
    }
    expect(containers()).toHaveLength(1);
    docker('rm', '-f', name);
    expect((await list()).find((one: { name: string }) => one.name === 'c').buildlets).toEqual([]);
    await create(...cache, 'plain');
  });

  it('is emptied when it has grown too large, once nobody uses it', async () => {
    const { create, gomote, list, sh } = cacheLab();
    const cache = ['--cache', 'c:x,max-size=64k'];
    const [one, two] = [await create(...cache, 'box'), await create(...cache, 'box')];
    await sh(one, 'head -c 262144 /dev/zero >x/large');
    await gomote(['destroy', one]);
    expect(await sh(two, 'ls x')).toMatchObject({ stdout: 'large\n' });
    await gomote(['destroy', two]);
    expect((await list()).map((found: { name: string }) => found.name)).toEqual(['home']);
  });
});

it('once makes a container, pushes to it, runs there, fetches and leaves nothing', async () => {
  const { cli, gomote, containers } = cacheLab();
  const content = randomBytes(8).toString('hex');
  writeFileSync(join(cli.directory, 'in'), content);
  const script = 'cat in; cat in >out; exit 3';
  const once = ['once', '--get', 'out', '--into', join(cli.directory, 'back'), 'box', '--'];
  const place = process.cwd();
  process.chdir(cli.directory);
  try {
    expect(await gomote([...once, 'sh', '-c', script])).toMatchObject({ code: 3, stdout: content });
  } finally {
    process.chdir(place);
  }
  expect(readFileSync(join(cli.directory, 'back/out'), 'utf8')).toBe(content);
  expect(containers()).toEqual([]);
});
