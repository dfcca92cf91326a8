// What is in a work directory, kept for later buildlets.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';

/** A command line with a buildlet that has a pushed tree and what a build made in it. */
async function withTree() {
  const cli = testCli();
  const tree = join(cli.directory, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'a'), 'alpha\n');
  writeFileSync(join(tree, 'b'), 'beta\n');
  const run = async (name: string, script: string) =>
    (await cli(['run', '--dir', '.', name, 'sh', '-c', script])).stdout;
  const push = async (name: string) =>
    (await cli(['push', '--dest', 't', name, tree])).stderr.split(';')[0];

  expect(await cli(['create', 'local'])).toMatchObject({ code: 0 });
  await push('me-local-0');
  return { cli, tree, run, push };
}

const store = (directory: string) => join(directory, '.local/state/gomote-snapshots');

describe('snapshot', () => {
  it('keeps files, modes, times and links, and what was pushed', async () => {
    const { cli, tree, run, push } = await withTree();
    await run(
      'me-local-0',
      "mkdir made; echo x >made/file; chmod 751 made; chmod 4640 made/file; ln -s ../t/a made/link; ln -s /etc made/out; mkfifo made/pipe; touch -d '2001-02-03 04:05:06.789' made/file; mkdir -m 500 made/closed",
    );
    const created = await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    expect(created).toMatchObject({ code: 0, stdout: 'warm\n' });
    expect(created.stderr).toMatch(/^3 files \(13 B\) of the work directory$/m);
    expect(await cli(['create', '--from', 'warm'])).toEqual({
      code: 0,
      stdout: 'me-local-1\n',
      stderr: '',
    });
    const facts = "cd made; stat -c '%n %F %a %.3Y %s %N' file link out pipe closed; cat file";
    expect(await run('me-local-1', facts)).toBe(await run('me-local-0', facts));
    // Only what differs is sent, and what is gone is removed.
    expect(await push('me-local-1')).toBe('me-local-1: nothing has changed\n');
    writeFileSync(join(tree, 'b'), 'other\n');
    writeFileSync(join(tree, 'c'), 'new\n');
    expect(await push('me-local-1')).toMatch(/^2 files to me-local-1:t \(10 B\)/);
    expect(await run('me-local-1', 'cat t/*')).toBe('alpha\nother\nnew\n');
    expect(await run('me-local-0', 'cat t/*')).toBe('alpha\nbeta\n');
  });

  it('is not changed by what commands write in place, there or in a buildlet made from it', async () => {
    const { cli, run } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    await cli(['create', '--from', 'warm']);
    const spoil = 'for f in t/*; do chmod u+w $f; printf spoiled >>$f; done; rm t/b; : >t/a';
    await run('me-local-0', spoil);
    await run('me-local-1', spoil);
    await cli(['create', '--from', 'warm']);
    expect(await run('me-local-2', 'cat t/*')).toBe('alpha\nbeta\n');
  });

  it('leaves out what --exclude names, and reports that', async () => {
    const { cli, run } = await withTree();
    await run(
      'me-local-0',
      'mkdir .secret; echo key >.secret/key; echo token >t/.token; echo k >key',
    );
    const args = ['--exclude', '.secret', '--exclude', './t/.token'];
    await cli(['snapshot', 'create', ...args, 'me-local-0', 'warm']);
    const { stdout } = await cli(['snapshot', 'inspect', '--json', 'warm']);
    expect(JSON.parse(stdout)).toMatchObject([{ excluded: ['.secret', 't/.token'], files: 3 }]);
    await cli(['create', '--from', 'warm']);
    expect(await run('me-local-1', 'find . -type f | grep -v /.gomote | sort')).toBe(
      './key\n./t/a\n./t/b\n',
    );
  });

  it('is listed, inspected and removed', async () => {
    const { cli } = await withTree();
    const first = await cli(['snapshot', 'create', 'me-local-0']);
    const second = await cli(['snapshot', 'create', 'me-local-0']);
    expect([first.stdout, second.stdout]).toEqual(['me-local-0-1\n', 'me-local-0-2\n']);
    const { stdout } = await cli(['snapshot', 'inspect', 'me-local-0-1']);
    expect(stdout).toMatch(/^created: \S+Z\nused: \S+Z\nbackend: local\nbuildlet: me-local-0$/m);
    const list = await cli(['snapshot', 'list']);
    expect(list.stdout).toBe(
      'me-local-0-1\tfiles\tlocal/me-local-0\t11 B\nme-local-0-2\tfiles\tlocal/me-local-0\t11 B\n',
    );
    const removed = await cli(['snapshot', 'remove', 'me-local-0-1', 'none', 'me-local-0-2']);
    expect(removed.code).toBe(1);
    expect(removed.stderr).toContain('no snapshot "none"');
    expect((await cli(['snapshot', 'list'])).stdout).toBe('');
    expect(readdirSync(store(cli.directory))).toEqual([]);
  });

  it.each([
    [['create', 'me-local-0', '../x'], 'cannot be called "../x"'],
    [['create', 'me-local-0', '.x'], 'cannot be called ".x"'],
    [['create', 'me-local-0', 'taken'], 'there is a snapshot "taken" already'],
    [['create', 'me-local-0', 'a', 'b'], 'wrong names'],
    [['create', 'me-local-9', 'a'], 'me-local-9'],
    [['create', '--exclude', '../x', 'me-local-0', 'a'], 'leaves the work directory'],
    [['create', '--max-size', '1k', 'me-local-0', 'a'], 'would be larger than 1024 bytes'],
    [['inspect', 'none'], 'no snapshot "none"'],
    [['inspect', '../taken'], 'unknown backend ".."'],
    [['inspect', 'local/taken'], 'no snapshot "local/taken"'],
    [['share', 'taken'], 'on this machine'],
    [['create', '--shared', 'me-local-0', 'a'], 'cannot be shared'],
    [['remove', '..'], 'cannot be called ".."'],
    [['remove'], 'wrong names'],
    [['lst'], 'did you mean "list"?'],
  ])('%j is refused, and leaves nothing', async (args, said) => {
    const { cli } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'taken']);
    const { code, stdout, stderr } = await cli(['snapshot', ...args]);
    expect({ code: code > 0, stdout }).toEqual({ code: true, stdout: '' });
    expect(stderr).toContain(said);
    expect(readdirSync(store(cli.directory))).toEqual(['taken']);
  });

  it.each([
    [
      'a record that is none',
      (at: string) => writeFileSync(join(at, 'snapshot.json'), '{"version":1}'),
    ],
    ['a record that was cut', (at: string) => writeFileSync(join(at, 'snapshot.json'), '{"ver')],
  ])('with %s does not exist', async (_what, spoil) => {
    const { cli } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    spoil(join(store(cli.directory), 'warm'));
    expect((await cli(['snapshot', 'list'])).stdout).toBe('');
    const { code, stderr } = await cli(['create', '--from', 'warm', 'local']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no snapshot "warm"')]);
  });

  it.each([
    [
      'flipped bits',
      (bytes: Buffer) => bytes.fill(0xff, bytes.length >> 1, (bytes.length >> 1) + 9),
    ],
    ['no end', (bytes: Buffer) => bytes.subarray(0, bytes.length - 40)],
    ['nothing in it', () => Buffer.alloc(0)],
  ])('whose archive has %s makes no buildlet', async (_what, spoil) => {
    const { cli, run } = await withTree();
    await run('me-local-0', 'head -c 100000 /dev/urandom >big');
    await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    const archive = join(store(cli.directory), 'warm/files.tgz');
    writeFileSync(archive, spoil(readFileSync(archive)));
    const { code, stdout, stderr } = await cli(['create', '--from', 'warm']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('the snapshot "warm" cannot be put there');
    expect(stderr).toContain('run gomote snapshot remove warm');
    expect((await cli(['list', '-q'])).stdout).toBe('me-local-0\n');
  });

  it.each([
    ['files.tgz', 'its archive files.tgz cannot be read: it is not a regular file'],
    ['snapshot.json', 'no snapshot "warm"'],
  ])('with a FIFO in the place of %s makes no buildlet', async (name, said) => {
    const { cli } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    const path = join(store(cli.directory), 'warm', name);
    rmSync(path);
    execFileSync('mkfifo', [path]);
    const { code, stdout, stderr } = await cli(['create', '--from', 'warm', 'local']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(said);
    expect(await cli(['snapshot', 'remove', 'warm'])).toMatchObject({ code: 0 });
  });

  it.each(['', '.', './'])('refuses to leave out "%s", which is all of it', async (path) => {
    const { cli } = await withTree();
    const ended = await cli(['snapshot', 'create', 'me-local-0', 'warm', '--exclude', path]);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain(`--exclude "${path}" is the work directory itself`);
    expect(existsSync(store(cli.directory))).toBe(false);
  });

  it('keeps files whose names are not UTF-8', async () => {
    const { cli, run } = await withTree();
    const path = '$(printf "a\\377")';
    await run(
      'me-local-0',
      `mkdir d "${path}"; echo one >"d/${path}"; echo two >"${path}/${path}"`,
    );
    await cli(['snapshot', 'create', 'me-local-0', 'warm']);
    expect(await cli(['create', '--from', 'warm'])).toMatchObject({ code: 0 });
    const found = await run('me-local-1', `cat "d/${path}" "${path}/${path}"; ls -A`);
    expect(found).toMatch(/^one\ntwo\n/);
    expect(found).not.toMatch(/^_$/m);
  });

  it('removes what a killed process has left', async () => {
    const { cli } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'one']);
    const half = join(store(cli.directory), '.new-4194305-0123456789abcdef');
    mkdirSync(half);
    writeFileSync(join(half, 'files.tgz'), 'half');
    expect((await cli(['snapshot', 'list'])).stdout).toMatch(/^one\t.*\n$/);
    await cli(['snapshot', 'create', 'me-local-0', 'two']);
    expect(existsSync(half)).toBe(false);
  });

  it('whose record cannot be read is in no list, and can be removed', async () => {
    const { cli } = await withTree();
    await cli(['snapshot', 'create', 'me-local-0', 'one']);
    writeFileSync(join(store(cli.directory), 'one/snapshot.json'), '{"version"');
    expect(await cli(['snapshot', 'list'])).toMatchObject({ code: 0, stdout: '' });
    const again = await cli(['snapshot', 'create', 'me-local-0', 'one']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('gomote snapshot remove one');
    expect(await cli(['snapshot', 'remove', 'one'])).toMatchObject({ code: 0 });
    expect((await cli(['snapshot', 'remove', 'one'])).code).toBe(1);
    expect(await cli(['snapshot', 'create', 'me-local-0', 'one'])).toMatchObject({ code: 0 });
  });

  it('does not follow a link in the place of the store', async () => {
    const { cli } = await withTree();
    const elsewhere = join(cli.directory, 'elsewhere');
    mkdirSync(elsewhere);
    chmodSync(elsewhere, 0o777);
    mkdirSync(join(store(cli.directory), '..'), { recursive: true });
    symlinkSync(elsewhere, store(cli.directory));
    expect((await cli(['snapshot', 'create', 'me-local-0', 'one'])).stderr).toContain(
      'symbolic link',
    );
    expect(readdirSync(elsewhere)).toEqual([]);
  });
});

it('fork makes several buildlets with the same work directory, and keeps no snapshot', async () => {
  const { cli, run, push } = await withTree();
  const { code, stdout } = await cli(['fork', '--count', '2', 'me-local-0']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'me-local-1\nme-local-2\n' });
  expect(await run('me-local-2', 'cat t/*')).toBe('alpha\nbeta\n');
  expect(await push('me-local-2')).toBe('me-local-2: nothing has changed\n');
  expect((await cli(['snapshot', 'list'])).stdout).toBe('');
});

it('once begins with a snapshot', async () => {
  const { cli } = await withTree();
  await cli(['snapshot', 'create', 'me-local-0', 'warm']);
  const ended = await cli(['once', '--from', 'warm', '--no-push', '--', 'cat', 't/a']);
  expect(ended).toMatchObject({ code: 0, stdout: 'alpha\n' });
  const refused = await cli(['once', '--from', 'warm', '--on', 'me-local-0', '--', 'true']);
  expect(refused.stderr).toContain('--on and --from contradict');
});
