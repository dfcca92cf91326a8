// Snapshots with an image of the container: what commands have done outside of the work directory is in them.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { docker, dockerLines, images, newLab } from './lab.ts';

const secret = 'dear-to-the-host-type';

const types = `
[hosts.box]
image = "${images.shell}"
docker = { env = ["TOKEN=${secret}", "KEPT=of the host type", "NODE_OPTIONS=--no-warnings"], labels = { note = "${secret}" } }
[hosts.plain]
image = "${images.shell}"
docker = { user = "1234:1234" }
[hosts.bare]
image = "${images.bare}"
[builders.box]
host = "box"
[builders.plain]
host = "plain"
[builders.bare]
host = "bare"
[backends.local]
kind = "local"
`;

function imageLab() {
  const lab = newLab(types);
  const listed = () =>
    dockerLines('images', '-q', '--no-trunc', '--filter', `label=gomote.owner=${lab.user}`);
  onTestFinished(async () => {
    await lab.gomote(['destroy', '--all']);
    for (const image of listed()) docker('rmi', '--force', image);
  });
  const store = join(lab.cli.directory, '.local/state/gomote-snapshots');
  return { ...lab, listed, store };
}

describe('a snapshot of the kind image', () => {
  it('has the whole file system and the work directory with what was pushed', async () => {
    const { cli, create, gomote, listed, sh } = imageLab();
    const first = await create('--label', 'of=first', '--cache', 'c:~/.cache/c', 'box');
    const tree = join(cli.directory, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'pushed'), 'content');
    await gomote(['push', first, tree]);
    await sh(
      first,
      'echo installed >/opt/tool; chmod 751 /opt/tool; rm /bin/tail; echo work >made',
    );
    const made = await gomote(['snapshot', 'create', '--kind', 'image', first, 'whole']);
    expect(made).toMatchObject({
      code: 0,
      stdout: 'whole\n',
      stderr: expect.stringContaining(', with an image'),
    });
    await sh(first, 'echo changed >/opt/tool; echo changed >made');
    expect((await gomote(['snapshot', 'list'])).stdout).toMatch(/whole\s+image/);
    const [one] = JSON.parse((await gomote(['snapshot', 'inspect', '--json', 'whole'])).stdout);
    const bytes = 'work\n'.length + 'content'.length;
    expect(one).toMatchObject({ kind: 'image', backend: 'docker', buildlet: first, bytes });
    expect(listed()).toEqual([one.image]);

    const once = ['once', '--from', 'whole', '--no-push', '--', 'cat', '/opt/tool', 'made'];
    expect(await gomote(once)).toMatchObject({ code: 0, stdout: 'installed\nwork\n' });
    const second = await create('--from', 'whole');
    const seen = await sh(
      second,
      'cat /opt/tool made; ls /bin/tail; echo $TOKEN $KEPT $NODE_OPTIONS',
    );
    expect(seen.stdout).toBe(`installed\nwork\n${secret} of the host type --no-warnings\n`);
    const again = await gomote(['push', '--json', second, tree]);
    expect(JSON.parse(again.stdout)).toMatchObject({ files: 0 });
    const all: { name: string; labels?: object }[] = JSON.parse(
      (await gomote(['list', '--json'])).stdout,
    );
    expect(all.find(({ name }) => name === second)?.labels ?? {}).toEqual({});
    // Only the first one has the cache.
    await gomote(['destroy', first]);
    expect(await gomote(['cache', 'purge', 'c'])).toMatchObject({ code: 0 });

    const busy = await gomote(['snapshot', 'remove', 'whole']);
    expect(busy).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/buildlets use the image/),
    });
    // One of it begins with all that is in it.
    await sh(second, 'echo more >/opt/more');
    await gomote(['snapshot', 'create', '--kind', 'image', second, 'more']);
    await gomote(['destroy', second]);
    expect(await gomote(['snapshot', 'remove', 'whole'])).toMatchObject({ code: 0, stderr: '' });
    const third = await create('--from', 'more');
    expect((await sh(third, 'cat /opt/tool /opt/more')).stdout).toBe('installed\nmore\n');
    await gomote(['destroy', third]);
    expect(await gomote(['snapshot', 'remove', 'more'])).toMatchObject({ code: 0 });
    expect(listed()).toEqual([]);
  });

  it('has nothing of gomote, and no variables and labels of the host type', async () => {
    const { cli, create, gomote, listed, sh } = imageLab();
    const name = await create('--label', 'of=first', 'box');
    await sh(name, 'echo secret-of-the-work-dir >file');
    await gomote(['snapshot', 'create', '--kind', 'image', '--exclude', 'file', name, 's']);
    const [image = ''] = listed();
    const described = docker('inspect', image);
    expect(described).not.toContain(secret);
    const { Config } = JSON.parse(described)[0];
    expect(Config.Env).toEqual(expect.arrayContaining(['PATH=/bin', 'KEPT=from-the-image']));
    expect(Config.Labels['gomote.role']).toBe('snapshot');
    const id = docker('create', '--label', 'gomote.owner=', image, 'x');
    const archive = join(cli.directory, 'all.tar');
    docker('export', '--output', archive, id);
    docker('rm', id);
    const all = readFileSync(archive).toString('latin1');
    expect(all).not.toContain('secret-of-the-work-dir');
    expect([...all.matchAll(/opt\/gomote\/(?:payload|run)\/[\w.-]+/g)]).toEqual([]);
  });

  it.each([
    ['of another user', 'plain'],
    ['without a shell', 'bare'],
  ])('can be made from an image %s', async (_what, type) => {
    const { create, gomote } = imageLab();
    const name = await create(type);
    expect(await gomote(['snapshot', 'create', '--kind', 'image', name, 's'])).toMatchObject({
      code: 0,
    });
    const second = await create('--from', 's', '--count', '1');
    expect(await gomote(['run', second, 'cat', '/etc/passwd'])).toMatchObject({ code: 0 });
  });

  it('cannot be used elsewhere, nor without its image', async () => {
    const { create, gomote, listed } = imageLab();
    const name = await create('box');
    await gomote(['snapshot', 'create', '--kind', 'image', name, 's']);
    expect(await gomote(['create', '--from', 's', '--backend', 'local', 'local'])).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringContaining('the snapshot "s" has an image, which only docker can use'),
    });
    docker('rmi', '--force', ...listed());
    expect(await gomote(['create', '--from', 's'])).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringContaining('the image of the snapshot is no longer there'),
    });
    expect(await gomote(['snapshot', 'remove', 's'])).toMatchObject({ code: 0, stderr: '' });
    const local = (await gomote(['create', '--backend', 'local', 'local'])).stdout.trim();
    const refused = await gomote(['snapshot', 'create', '--kind', 'image', local]);
    expect(refused).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringContaining('the backend "local" keeps no images of machines'),
    });
    await gomote(['destroy', local]);
  });

  it('leaves no image when it fails, or its gomote was killed', async () => {
    const { create, gomote, listed, sh, store } = imageLab();
    const name = await create('box');
    await sh(name, 'echo some >file');
    const failed = await gomote([
      ...['snapshot', 'create', '--kind', 'image', '--max-size', '1k', name, 's'],
    ]);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('larger than') });
    expect([readdirSync(store), listed()]).toEqual([[], []]);
    // As one leaves it that is killed after the commit.
    const left = join(store, '.new-999999999-0123456789abcdef');
    mkdirSync(left, { mode: 0o700 });
    const id = '0123456789abcdef01234567';
    const reference = `gomote-snapshot:${id}`;
    writeFileSync(join(left, 'image.json'), JSON.stringify({ backend: 'docker', id }));
    docker('tag', images.shell, reference);
    expect(docker('images', '-q', reference)).not.toBe('');
    await gomote(['snapshot', 'create', name, 's']);
    expect([readdirSync(store), docker('images', '-q', reference)]).toEqual([['s'], '']);
  });
});
