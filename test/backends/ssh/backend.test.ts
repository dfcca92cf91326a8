import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { echoServer, lines, portOf, sent } from '../../helpers/ports.ts';
import { giveFile, labWithUser, leftIn } from '../../helpers/ssh-workshop.ts';
import { hasSshd, isRoot } from '../../helpers/sshd.ts';
import { hasTool, missing } from '../../helpers/tools.ts';

describe.skipIf(!hasSshd)('a host that is named on the command line', () => {
  it('makes a buildlet that other commands use, and keeps nothing of it', async () => {
    const { host, user, gomote, succeed } = await labWithUser();
    const name = await succeed('create', host);
    expect(name).toBe(`${host}/me-ssh-0`);
    expect(await succeed('run', name, 'id', '-un')).toBe(user.name);
    expect(await succeed('list')).toContain(name);
    expect(await succeed('list', '--backend', host)).toContain(name);
    expect(await gomote('run', name, 'sh', '-c', 'exit 7')).toMatchObject({ code: 7 });
    expect(await gomote('destroy', name)).toMatchObject({ code: 0, stderr: '' });
    expect(leftIn(user)).toEqual([]);
    expect(await gomote('run', name, 'true')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('no buildlet "me-ssh-0" on'),
    });
    expect(await succeed('list')).toBe('');
    // A name is given once.
    expect(await succeed('create', host)).toBe(`${host}/me-ssh-1`);
  });

  it('keeps caches for all buildlets of the account', async () => {
    const { host, gomote, succeed } = await labWithUser();
    const cache = ['--cache', 'npm:.npm,mode=exclusive'];
    const name = await succeed('create', ...cache, host);
    await succeed('run', '--dir', '.', name, 'sh', '-c', 'echo kept >.npm/file');
    expect(await gomote('create', ...cache, host)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the cache "npm" is in use by me-ssh-0'),
    });
    const listed = async () =>
      JSON.parse(await succeed('cache', 'list', '--json', '--backend', host));
    expect(await listed()).toMatchObject([
      { name: 'npm', owner: 'me', machine: host.replace('ssh:', ''), buildlets: ['me-ssh-0'] },
    ]);
    expect(await gomote('cache', 'purge', 'npm', '--backend', host)).toMatchObject({ code: 1 });
    await succeed('destroy', name);
    // A whole loop: made, pushed to, run on, ended.
    const once = ['once', '--no-push', ...cache, host, '--', 'cat', '.npm/file'];
    expect(await gomote(...once)).toMatchObject({ code: 0, stdout: Buffer.from('kept\n') });
    await succeed('cache', 'purge', '--backend', host);
    expect(await listed()).toEqual([]);
    expect(await gomote('create', '--cache', 'c:~/x', host)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("in the user's own home directory"),
    });
  });

  it('fills the next buildlet of the account from its store', async () => {
    const { directory, host, user, succeed, gomote } = await labWithUser();
    const tree = join(directory, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'file'), randomBytes(400_000));
    const pushed = async (name: string) => (await gomote('push', name, tree)).stderr;
    const first = await succeed('create', host);
    expect(await pushed(first)).not.toContain('from the store');
    await succeed('destroy', first);
    const store = join(user.home, '.cache/gomote/store/me');
    expect(statSync(store).mode & 0o777).toBe(0o700);
    const second = await succeed('create', host);
    expect(await pushed(second)).toContain('from the store');
    expect(await succeed('run', second, 'sha256sum', 'tree/file')).toContain(
      createHash('sha256')
        .update(readFileSync(join(tree, 'file')))
        .digest('hex'),
    );
    // Others could have changed what is in it.
    chmodSync(store, 0o770);
    const third = await succeed('create', host);
    expect(await pushed(third)).not.toContain('from the store');
    expect(await succeed('run', third, 'ls', 'tree')).toBe('file');
  });

  it('serves gomote once, and keeps nothing', async () => {
    const { directory, host, user, gomote } = await labWithUser();
    writeFileSync(join(directory, 'in'), 'pushed\n');
    const script = 'cat in; echo made >out; exit 3';
    const once = ['once', '--get', 'out', '--into', directory, host, '--', 'sh', '-c', script];
    expect(await gomote(...once)).toMatchObject({ code: 3, stdout: Buffer.from('pushed\n') });
    expect(readFileSync(join(directory, 'out'), 'utf8')).toBe('made\n');
    expect(leftIn(user)).toEqual([]);
  });

  it('forwards ports in both directions', async () => {
    const { host, start, succeed } = await labWithUser();
    const name = await succeed('create', host);
    const port = await echoServer();
    const program = start('gomote', ['forward', name, `0:${port}`, '-R', `0:${port}`]);
    const [[there, here], ended] = await lines(program, 2);
    expect(await sent(portOf(there), 'there')).toBe('there');
    expect(await sent(portOf(here), 'here')).toBe('here');
    program.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130 });
  });
});

const banner = 'Welcome to this host!';

describe.skipIf(!hasSshd || (!isRoot && !missing('only root makes users with other shells')))(
  'a login shell',
  () => {
    const tcsh = hasTool('tcsh');
    const fish = hasTool('fish');
    it.each(
      [
        { shell: '/bin/sh', isThere: true, file: '.profile', text: `echo '${banner}'\n` },
        {
          shell: '/bin/bash',
          isThere: true,
          file: '.bashrc',
          text: `echo '${banner}'; printf no-newline\n`,
        },
        { shell: '/usr/bin/tcsh', isThere: tcsh, file: '.cshrc', text: `echo '${banner}'\n` },
        {
          shell: '/usr/bin/fish',
          isThere: fish,
          file: '.config/fish/config.fish',
          text: `echo '${banner}'\n`,
        },
      ].filter(({ isThere }) => isThere),
    )('$shell that prints a banner works', async ({ shell, file, text }) => {
      const { host, user, succeed } = await labWithUser(shell);
      giveFile(user, file, text);
      const name = await succeed('create', host);
      expect(await succeed('run', name, 'sh', '-c', 'echo "$1!"', '-', "it's \\ $HOME")).toBe(
        "it's \\ $HOME!",
      );
      expect(await succeed('list', '--backend', host)).toContain(name);
      await succeed('destroy', name);
      expect(leftIn(user)).toEqual([]);
    });

    it('that lets nobody in is reported with what it prints', async () => {
      const { host, user, gomote } = await labWithUser('/usr/sbin/nologin');
      expect(await gomote('create', host)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          new RegExp(
            `^gomote: ${user.name}@box: its shell ended with 1: This account is currently not available.*; .*\n$`,
          ),
        ),
      });
    });
  },
);

describe.skipIf(!hasSshd)('a server that forwards no sockets', () => {
  it.each(['AllowStreamLocalForwarding no', 'DisableForwarding yes'])(
    '(%s) is reached through a process',
    async (setting) => {
      const { host, user, succeed, directory } = await labWithUser('/bin/sh', {
        settings: [setting],
      });
      const name = await succeed('create', host);
      expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
      const big = join(directory, 'big');
      writeFileSync(big, Buffer.alloc(5 << 20, 'x'));
      await succeed('put', name, big, 'big');
      expect(await succeed('run', name, 'sh', '-c', 'wc -c <big')).toBe(String(5 << 20));
      await succeed('get', name, 'big', join(directory, 'back'));
      expect(statSync(join(directory, 'back')).size).toBe(5 << 20);
      await succeed('destroy', name);
      expect(leftIn(user)).toEqual([]);
    },
  );
});

describe.skipIf(!hasSshd || !hasTool('bwrap'))('commands on a host', () => {
  it('are confined like local ones on request', async () => {
    const { host, user, succeed, gomote } = await labWithUser();
    giveFile(user, 'secret', 'hidden');
    const name = await succeed('create', '--isolation', 'bubblewrap', '--network', 'none', host);
    expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
    expect(await gomote('run', name, 'cat', join(user.home, 'secret'))).toMatchObject({ code: 1 });
    await succeed('destroy', name);
    expect(leftIn(user)).toEqual([]);
  });
});
