// Caches: directories that outlive buildlets.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { type Cli, testCli } from '../helpers/cli.ts';

const place = (cli: Cli, ...below: string[]) =>
  join(cli.directory, '.cache/gomote/caches/me', ...below);

const run = async (cli: Cli, name: string, script: string) =>
  await cli(['run', '--dir', '.', name, 'sh', '-c', script]);

async function create(cli: Cli, ...options: string[]): Promise<string> {
  const { stdout, stderr } = await cli(['create', ...options, 'local']);
  expect(stderr).toBe('');
  return stdout.trim();
}

const caches = async (cli: Cli) => JSON.parse((await cli(['cache', 'list', '--json'])).stdout);

function project(cli: Cli, toml: string): void {
  mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true, mode: 0o700 });
  writeFileSync(join(cli.directory, 'config/gomote/config.toml'), toml, { mode: 0o600 });
}

describe('a cache of buildlets on this machine', () => {
  it('outlives them, is listed, and is purged', async () => {
    const cli = testCli();
    const name = await create(cli, '--cache', 'npm:deep/.npm');
    expect(await run(cli, name, 'echo kept >deep/.npm/file')).toMatchObject({ code: 0 });
    expect(statSync(place(cli, 'npm/content')).mode & 0o777).toBe(0o700);
    expect(await caches(cli)).toMatchObject([
      { name: 'npm', backend: 'local', owner: 'me', machine: null, buildlets: [name] },
    ]);
    expect(await cli(['cache', 'purge', 'npm'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`the cache "npm" is in use by ${name}`),
    });
    await cli(['destroy', name]);
    expect(await caches(cli)).toMatchObject([{ name: 'npm', buildlets: [] }]);

    const once = ['once', '--no-push', '--cache', 'npm:deep/.npm', 'local'];
    expect(await cli([...once, '--', 'cat', 'deep/.npm/file'])).toMatchObject({ stdout: 'kept\n' });
    expect(await cli(['cache', 'purge', 'npm'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(place(cli, 'npm'))).toBe(false);
    expect(await cli(['cache', 'purge', 'npm'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no cache "npm"'),
    });
  });

  it('may be opened by a command, and is listed and purged beside what is no cache', async () => {
    const cli = testCli();
    const name = await create(cli, '--cache', 'c:x');
    await run(cli, name, 'echo kept >x/file; chmod 777 x/.');
    const next = await create(cli, '--cache', 'c:x');
    expect(await run(cli, next, 'cat x/file')).toMatchObject({ stdout: 'kept\n' });
    expect(statSync(place(cli, 'c/content')).mode & 0o777).toBe(0o700);
    for (const odd of [place(cli, 'odd'), join(place(cli), '../odd')]) writeFileSync(odd, '');
    symlinkSync('/etc', place(cli, 'link'));
    expect(await caches(cli)).toMatchObject([{ name: 'c' }]);
    await cli(['destroy', name, next]);
    expect(await cli(['cache', 'purge'])).toMatchObject({ code: 0 });
    expect(await caches(cli)).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux').each([
    ['unpacked when it is needed', false],
    ['ready', true],
  ])('stays with a buildlet that begins with a snapshot, %s', async (_how, isReady) => {
    const cli = testCli();
    const name = await create(cli, '--cache', 'c:deep/down/x', '--cache', 'd:y');
    const made = 'echo c >deep/down/x/file; echo d >y/file; echo s >deep/down/side';
    await run(cli, name, made);
    const snapshot = await cli(['snapshot', 'create', name, 'warm']);
    expect(snapshot).toMatchObject({ code: 0 });
    if (isReady) expect(await cli(['snapshot', 'prepare', 'warm'])).toMatchObject({ code: 0 });
    // Of the original's caches it has those that it is given, at any place.
    const next = await create(cli, '--from', 'warm', '--cache', 'd:deep/down/x');
    const script = 'cat deep/down/side deep/down/x/file; ls -A; find . -type l';
    expect(await run(cli, next, script)).toMatchObject({ stdout: 's\nd\ndeep\n./deep/down/x\n' });
  });

  it('takes no pushed files, and a push takes nothing from it', async () => {
    const cli = testCli();
    const name = await create(cli, '--cache', 'c:kept');
    const tree = join(cli.directory, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'file'), '');
    expect(await cli(['push', '--dest', '.', name, tree])).toMatchObject({ code: 0 });
    await run(cli, name, 'echo mine >kept/file');
    writeFileSync(join(tree, 'file'), 'more');
    expect(await cli(['push', '--dest', '.', name, tree])).toMatchObject({ code: 0 });
    expect(await run(cli, name, 'cat kept/file')).toMatchObject({ stdout: 'mine\n' });
    mkdirSync(join(tree, 'kept'));
    writeFileSync(join(tree, 'kept/file'), 'theirs');
    await cli(['push', '--dest', '.', name, tree]);
    expect(readFileSync(place(cli, 'c/content/file'), 'utf8')).toBe('mine\n');
  });

  it('is shared by buildlets, or is used by one at a time', async () => {
    const cli = testCli();
    const [one, two] = [await create(cli, '--cache', 'c:x'), await create(cli, '--cache', 'c:y')];
    await run(cli, one, 'echo here >x/file');
    expect(await run(cli, two, 'cat y/file')).toMatchObject({ stdout: 'here\n' });
    const refused = { code: 1, stdout: '' };
    expect(await cli(['create', '--cache', 'c:x,mode=exclusive', 'local'])).toMatchObject({
      ...refused,
      stderr: expect.stringContaining(`the cache "c" is in use by ${one}`),
    });
    const sole = await create(cli, '--cache', 'd:x,mode=exclusive');
    for (const cache of ['d:x', 'd:x,mode=exclusive']) {
      const failed = await cli(['create', '--cache', 'free:f', '--cache', cache, 'local']);
      expect(failed).toMatchObject({
        ...refused,
        stderr: expect.stringContaining(
          `the cache "d" is in use by ${sole}, which has it for itself`,
        ),
      });
    }
    // Nothing of what was refused is left.
    expect((await cli(['list', '-q'])).stdout.trim().split('\n')).toEqual([one, two, sole]);
    expect((await caches(cli)).find(({ name }: { name: string }) => name === 'free')).toMatchObject(
      {
        buildlets: [],
      },
    );
    await cli(['destroy', sole]);
    await create(cli, '--cache', 'd:x,mode=exclusive');
  });

  it('is free again when its buildlet was killed', async () => {
    const cli = testCli();
    const name = await create(cli, '--cache', 'c:x,mode=exclusive');
    const { pid } = JSON.parse(
      readFileSync(join(cli.directory, `gomote/${name}/record.json`), 'utf8'),
    );
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => existsSync(`/proc/${pid}/exe`)).toBe(false);
    await create(cli, '--cache', 'c:x,mode=exclusive');
  });

  it('is emptied when it has grown larger than max-size, but not while it is in use', async () => {
    const cli = testCli();
    const cache = 'c:x,max-size=64k';
    const one = await create(cli, '--cache', cache);
    await run(cli, one, 'head -c 8192 /dev/zero >x/small');
    await cli(['destroy', one]);
    const [two, three] = [await create(cli, '--cache', cache), await create(cli, '--cache', cache)];
    expect(await run(cli, two, 'ls x')).toMatchObject({ stdout: 'small\n' });
    await run(cli, two, 'head -c 262144 /dev/zero >x/large');
    await cli(['destroy', two]);
    expect(await run(cli, three, 'ls x')).toMatchObject({ stdout: 'large\nsmall\n' });
    await cli(['destroy', three]);
    expect(existsSync(place(cli, 'c/content'))).toBe(false);
    const four = await create(cli, '--cache', cache);
    expect(await run(cli, four, 'ls x')).toMatchObject({ stdout: '' });
  });

  it('is removed without following links, however deep and closed it is', async () => {
    const cli = testCli();
    const outside = join(cli.directory, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'mine'), '');
    const name = await create(cli, '--cache', 'c:x');
    await run(
      cli,
      name,
      `cd x; ln -s ${outside} out; mkdir closed; ln -s ${outside} closed/out; chmod 0 closed; mkfifo p; i=0; while [ $i -lt 300 ]; do mkdir dddddddddddddddddddddddd; cd dddddddddddddddddddddddd; i=$((i+1)); done`,
    );
    await cli(['destroy', name]);
    // As a command that is not isolated can do.
    expect(readdirSync(place(cli, 'c'))).toContain('content');
    expect(await cli(['cache', 'purge'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readdirSync(place(cli)).filter((one) => !one.startsWith('.'))).toEqual([]);
    expect(readdirSync(outside)).toEqual(['mine']);
    mkdirSync(place(cli, 'd'), { mode: 0o700 });
    symlinkSync(outside, place(cli, 'd/content'));
    expect(await cli(['create', '--cache', 'd:x', 'local'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is a symbolic link'),
    });
    expect(await cli(['cache', 'purge', 'd'])).toMatchObject({ code: 0 });
    expect(readdirSync(outside)).toEqual(['mine']);
  });

  it('finishes a purge that was killed midway', async () => {
    const cli = testCli();
    await cli(['destroy', await create(cli, '--cache', 'c:x')]);
    const old = place(cli, 'c/.old-0123456789abcdef');
    mkdirSync(join(old, 'half'), { recursive: true });
    writeFileSync(place(cli, 'c/users/me-local-9'), '{"buildlet":');
    await create(cli, '--cache', 'c:x,mode=exclusive');
    expect(readdirSync(place(cli, 'c')).sort()).toEqual(['content', 'users']);
    expect(readdirSync(place(cli, 'c/users'))).toEqual(['me-local-1']);
  });

  it.each([
    ['~/.cache/x', "in the user's own home directory"],
    ['/opt/x', 'a path of the machine'],
  ])('cannot be at %s where commands are not isolated', async (path, why) => {
    const cli = testCli();
    const { code, stdout, stderr } = await cli(['create', '--cache', `c:${path}`, 'local']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`cache "c": ${path} is ${why}`);
    expect((await cli(['list', '-q'])).stdout).toBe('');
  });

  it.each([
    ...[
      'x',
      ':x',
      'x:',
      'x:.',
      'x:~',
      'x:/',
      'x:..',
      'x:a/../..',
      'x:~/..',
      'x:/..',
      '../x:y',
      '.x:y',
    ],
    ...['a/b:y', 'x:a:b', 'x:a\\b', 'x:a\nb', `${'x'.repeat(51)}:y`, 'x:y,z', 'x:y,mode=', 'x:~/~'],
    ...['x:y,mode=both', 'x:y,max-size=', 'x:y,max-size=0', 'x:y,max-size=-1'],
  ])('is refused as "%s" before anything is made', async (text) => {
    const cli = testCli();
    expect(await cli(['create', '--cache', text, 'local'])).toMatchObject({ code: 2, stdout: '' });
    expect((await cli(['list', '-q'])).stdout).toBe('');
  });

  it('does not lie inside another', async () => {
    const cli = testCli();
    expect(await cli(['create', '--cache', 'a:x', '--cache', 'b:./x/y/', 'local'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the caches "b" and "a"'),
    });
  });

  it('comes from the configuration, too, and a cache that is typed replaces it', async () => {
    const cli = testCli();
    project(
      cli,
      `[hosts.h]
caches = [{ name = "one", path = "one" }, { name = "two", path = "two" }]
[builders.b]
host = "h"
caches = [{ name = "two", path = "other", mode = "exclusive", max-size = "1g" }]`,
    );
    const { stdout } = await cli(['create', '--cache', 'one:typed', 'b']);
    const listed = await run(cli, stdout.trim(), 'find . -type l | sort');
    expect(listed.stdout).toBe('./other\n./typed\n');
  });

  it('of a project is separate, and is left out where it cannot be used', async () => {
    const cli = testCli();
    const top = join(cli.directory, 'project');
    mkdirSync(top);
    writeFileSync(
      join(top, '.gomote.toml'),
      'caches = [{ name = "c", path = "x" }, { name = "home", path = "~/y" }]',
    );
    await cli(['destroy', await create(cli, '--cache', 'c:x')]);
    const place = process.cwd();
    process.chdir(top);
    try {
      const once = ['once', '--no-push', '--backend', 'local', 'local', '--', 'sh', '-c'];
      const first = await cli([...once, 'cd "$WORKDIR" && ls -A x && echo kept >x/file']);
      expect(first).toMatchObject({ code: 0, stdout: '' });
      expect(first.stderr).toMatch(
        /without the cache "home\.[0-9a-f]{8}" at ~\/y on local: commands are not isolated there/,
      );
      const { stdout: name } = await cli(['create', 'local']);
      expect(await run(cli, name.trim(), 'cat x/file')).toMatchObject({ stdout: 'kept\n' });
      const plain = await create(cli, '--no-project');
      expect(await run(cli, plain, 'ls')).toMatchObject({ stdout: '' });
      const names = (await caches(cli)).map((cache: { name: string }) => cache.name);
      expect(names).toEqual(['c', expect.stringMatching(/^c\.[0-9a-f]{8}$/)]);
      writeFileSync('.gomote.toml', 'caches = [{ name = "c", path = "x", shared = true }]');
      expect(await cli(['create', 'local'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('the caches of a project are its own'),
      });
    } finally {
      process.chdir(place);
    }
  });

  it.each([
    ['caches = [{ name = "../x", path = "y" }]', 'a cache has up to 50 letters'],
    ['caches = [{ name = "x", path = "../y" }]', 'give a path in the work directory'],
    ['caches = [{ name = "x", path = "y", mode = "both" }]', 'mode is "shared" or "exclusive"'],
    ['caches = [{ name = "x", path = "y" }, { name = "x", path = "z" }]', 'have the same name'],
    [
      'caches = [{ name = "x", path = "y" }, { name = "z", path = "y/z" }]',
      'the caches "z" and "x"',
    ],
  ])('is refused in the configuration: %s', async (line, why) => {
    const cli = testCli();
    project(cli, `[hosts.h]\n${line}`);
    expect(await cli(['create', 'local'])).toMatchObject({
      code: expect.any(Number),
      stdout: '',
      stderr: expect.stringContaining(why),
    });
  });
});

describe.skipIf(!hasBubblewrap)('a cache of buildlets in a sandbox', () => {
  const isolated = ['--isolation', 'bubblewrap'];

  it('may be below HOME, in the work directory and at an absolute path', async () => {
    const cli = testCli();
    const options = ['h:~/.cache/go-build', 'w:deep/er', 'a:/var/cache/a'].flatMap((one) => [
      '--cache',
      one,
    ]);
    const name = await create(cli, ...isolated, ...options);
    const write = 'for d in ~/.cache/go-build deep/er /var/cache/a; do echo $d >$d/file; done';
    expect(await run(cli, name, write)).toMatchObject({ code: 0, stderr: '' });
    await cli(['destroy', name]);
    const other = await create(cli, ...isolated, ...options);
    expect(
      await run(cli, other, 'cat ~/.cache/go-build/file deep/er/file /var/cache/a/file'),
    ).toMatchObject({
      stdout: '/home/build/.cache/go-build\ndeep/er\n/var/cache/a\n',
    });
    // It sees neither the others nor who uses them.
    expect(await run(cli, other, `ls -A ${place(cli, 'h')}`)).toMatchObject({
      stdout: 'content\n',
    });
    const third = await create(cli, ...isolated);
    expect((await run(cli, third, `ls -A ${place(cli)}`)).code).not.toBe(0);
  });

  it.each([
    ['/home', 'would hide /home/build'],
    ['/run', 'would hide /run/gomote'],
    ['/var', 'would hide /var/tmp'],
    ['/usr', 'has what every program needs'],
    ['/etc', 'has what every program needs'],
  ])('cannot be at %s, which %s', async (path, why) => {
    const cli = testCli();
    const options = ['--isolation', 'bubblewrap', '--cache', `c:${path}`];
    expect(await cli(['create', ...options, 'local'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`cache "c": ${path} ${why}`),
    });
    expect(await caches(cli)).toEqual([]);
  });

  it.each(['/proc/x', '/dev', '/run/gomote/x', '/tmp/x', '/home/build/x'])(
    'cannot be at %s, which belongs to the sandbox',
    async (path) => {
      const cli = testCli();
      expect(await cli(['create', ...isolated, '--cache', `c:${path}`, 'local'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('belongs to the sandbox'),
      });
    },
  );
});
