import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../../helpers/processes.ts';
import { ending } from '../../helpers/programs.ts';
import { labWithUser, leftIn, sshWorkshop } from '../../helpers/ssh-workshop.ts';
import { hasSshd, isRoot, sshLab, sshUser } from '../../helpers/sshd.ts';
import { missing } from '../../helpers/tools.ts';

const mayMount = isRoot || missing('only root mounts and makes users');

describe.skipIf(!hasSshd)('ssh', () => {
  it.each([
    {
      what: 'a host that is not known',
      host: 'nosuch.invalid',
      settings: {},
      message: /^gomote: (me@)?nosuch\.invalid: no host of that name is known .*; check the name/,
    },
    {
      what: 'a port where nothing listens',
      host: 'me@127.0.0.1:9',
      settings: {},
      message: /^gomote: me@127\.0\.0\.1:9: it refuses the connection .*; see that sshd runs there/,
    },
    {
      what: 'a user without the key',
      host: 'root@box',
      settings: {},
      server: 'AllowUsers nobody-at-all',
      message: /^gomote: root@box: it does not let this user in .*; make "ssh root@box" work first/,
    },
    {
      what: 'a host key that is not known',
      host: 'root@box',
      settings: { StrictHostKeyChecking: 'yes' },
      message:
        /^gomote: root@box: its host key is not known .*; look at it and accept it once: ssh/,
    },
    {
      what: 'a mistake in its configuration',
      host: 'root@box',
      settings: { NoSuchOption: 'x' },
      message: /^gomote: root@box: ssh cannot use its configuration .*; correct it/,
    },
  ])('has its errors reported in one line: $what', async ({ host, settings, server, message }) => {
    const lab = sshLab();
    if (Object.keys(settings).length > 0) lab.configure('box', settings);
    await lab.sshd({ settings: server === undefined ? [] : [server] });
    const { gomote } = sshWorkshop(lab);
    for (const command of [
      ['create', `ssh:${host}`],
      ['list', '--backend', `ssh:${host}`],
    ]) {
      const { code, stdout, stderr } = await gomote(...command);
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 1, stdout: '' });
      expect(
        stderr.replace('backend ssh:me@127.0.0.1:9: ', '').replace(/backend ssh:[^ ]+ /, ''),
      ).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
  });

  it('has a changed host key reported in one line', async () => {
    const { lab, host, user, gomote } = await labWithUser();
    const other = join(lab.directory, 'other');
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    const port = /Port (\d+)/.exec(readFileSync(lab.configFile, 'utf8'))?.[1];
    writeFileSync(
      join(lab.directory, 'known'),
      `[127.0.0.1]:${port} ${readFileSync(`${other}.pub`, 'utf8')}`,
    );
    expect(await gomote('create', host)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        new RegExp(
          `^gomote: ${user.name}@box: its host key has changed: .*; if you know why: ssh-keygen -R box, then .*\n$`,
        ),
      ),
    });
  });

  it.each([
    '-oProxyCommand=touch hit',
    'me@-oProxyCommand=x',
    '-l@box',
    'a b',
    '$(x)',
    'box;x',
    'me@',
    '',
  ])('is never given an option or a command as a host: %j', async (host) => {
    const { gomote, configure } = sshWorkshop(sshLab());
    expect(await gomote('create', `ssh:${host}`)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^gomote: .* is not a host; give one as ssh takes it/),
    });
    configure(`[backends.x]\nkind = "ssh"\nhosts = [${JSON.stringify(host)}]\n`);
    expect(await gomote('list')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/give a host as ssh takes it/),
    });
  });
});

describe.skipIf(!hasSshd)('a connection that is lost', () => {
  it('ends no run: its output continues when the server is back', async () => {
    const { host, server, succeed, start, directory } = await labWithUser();
    const name = await succeed('create', host);
    const script = 'echo begun; while [ ! -e go ]; do sleep 0.1; done; echo done; exit 3';
    const running = start('gomote', ['run', name, 'sh', '-c', script]);
    const output: Buffer[] = [];
    running.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    const over = ending(running);
    await until(() => Buffer.concat(output).toString() === 'begun\n');
    await server.kill();
    await server.start();
    await succeed('put', name, '/dev/null', 'go');
    const { code } = await over;
    expect(Buffer.concat(output).toString()).toBe('begun\ndone\n');
    expect(code).toBe(3);
    expect(directory).toBeTruthy();
    await succeed('destroy', name);
  });

  it('is named while the server is down, and the buildlet is there afterwards', async () => {
    const { host, user, server, gomote, succeed } = await labWithUser();
    const name = await succeed('create', host);
    await server.kill();
    for (const command of [
      ['run', name, 'true'],
      ['destroy', name],
      ['ls', name],
    ]) {
      const { code, stderr } = await gomote(...command);
      expect(code).toBe(command[0] === 'run' ? 125 : 1);
      expect(stderr).toMatch(new RegExp(`${user.name}@box: it refuses the connection`));
    }
    await server.start();
    expect(await succeed('run', name, 'echo', 'hello')).toBe('hello');
    await succeed('destroy', name);
    expect(leftIn(user)).toEqual([]);
  });

  it('to a buildlet that died is reported as such', async () => {
    const { host, user, gomote, succeed } = await labWithUser();
    const name = await succeed('create', host);
    spawnSync('pkill', ['-KILL', '-U', user.name, '-f', 'bin/buildlet.js']);
    await until(() => spawnSync('pgrep', ['-U', user.name, '-f', 'bin/buildlet.js']).status === 1);
    expect(await gomote('run', name, 'true')).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /the buildlet "me-ssh-0" on .*@box has died; remove what is left/,
      ),
    });
    expect(await succeed('list', '--backend', host)).toMatch(/died/);
    expect(await succeed('reap', '--backend', host)).toMatch(/me-ssh-0/);
    expect(leftIn(user)).toEqual([]);
  });
});

describe.skipIf(!hasSshd)('a cancelled create', () => {
  it.each(['copying the buildlet', 'on '])('at "%s" leaves nothing', async (step) => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const { host, user, start, gomote } = await labWithUser();
      const running = start('gomote', ['create', '--verbose', host]);
      let said = '';
      running.stderr?.on('data', (chunk: Buffer) => {
        said += chunk;
        if (said.includes(step)) running.kill(signal);
      });
      await ending(running);
      // What is killed leaves the end to the host, which notices it.
      const isQuiet = () =>
        spawnSync('pgrep', ['-U', user.name, '-f', 'node|/bin/sh']).status === 1;
      await until(isQuiet);
      expect(leftIn(user)).toEqual([]);
      const programs = join(user.home, '.cache/gomote');
      const listed = await gomote('list', '--backend', host);
      expect(listed).toMatchObject({ code: 0, stderr: '' });
      expect(readdirSync(programs).filter((name) => name.includes('partial'))).toEqual([]);
    }
  });

  it('when its buildlet exists but nobody took its name leaves nothing', async () => {
    const { host, user, start } = await labWithUser();
    const running = start('sh', ['-c', `gomote create ${host} >/dev/full`]);
    const { code, stderr } = await ending(running);
    expect(code).not.toBe(0);
    expect(stderr).toContain('no space left');
    await until(() => leftIn(user).length === 0);
  });
});

describe.skipIf(!hasSshd)('secrets', () => {
  it('are in no argument and no environment, and in files of their owner alone', async () => {
    const { host, user, succeed, directory } = await labWithUser();
    const name = await succeed('create', host);
    const state = join(user.home, '.local/state/gomote/ssh');
    const password = readFileSync(join(state, 'me-ssh-0', 'password'), 'utf8').trim();
    expect(password.length).toBeGreaterThan(20);
    for (const path of [state, join(state, 'me-ssh-0'), join(user.home, '.cache/gomote')]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
    expect(statSync(join(state, 'me-ssh-0', 'password')).mode & 0o777).toBe(0o600);
    const kept = join(directory, '.cache/gomote/ssh-buildlets');
    for (const file of readdirSync(kept))
      expect(statSync(join(kept, file)).mode & 0o777).toBe(0o600);
    for (const id of readdirSync('/proc').filter((one) => /^[0-9]+$/.test(one))) {
      for (const file of ['cmdline', 'environ']) {
        let text = '';
        try {
          text = readFileSync(`/proc/${id}/${file}`, 'latin1');
        } catch {}
        expect(text).not.toContain(password);
      }
    }
    const environment = await succeed('run', name, 'env');
    expect(environment).not.toMatch(/SSH_|XDG_|META_/);
    expect(environment).toContain(`HOME=${user.home}`);
    await succeed('destroy', name);
  });
});

/** Takes what is left of the disk. */
function fill(directory: string): void {
  for (const block of ['1M', '4k', '1']) {
    spawnSync('dd', ['if=/dev/zero', `of=${join(directory, `ballast${block}`)}`, `bs=${block}`]);
  }
}

describe.skipIf(!hasSshd || !mayMount)('a home directory on a full disk', () => {
  async function onSmallDisk() {
    const home = mkdtempSync('/tmp/gomote-full-');
    chmodSync(home, 0o755);
    onTestFinished(() => {
      spawnSync('umount', ['-l', home]);
      rmSync(home, { recursive: true, force: true });
    });
    const lab = sshLab();
    await lab.sshd();
    const account = sshUser('/bin/sh', join(home, 'h'));
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m,mode=755', 'none', home]);
    mkdirSync(join(home, 'h'));
    spawnSync('chown', [account.name, join(home, 'h')]);
    return { host: `ssh:${account.name}@box`, user: account, ...sshWorkshop(lab) };
  }

  const isTold = (name: string) =>
    new RegExp(`^gomote: ${name}@box: .*(no space left|ENOSPC).*; free some space.*\n$`, 'i');

  it('is reported when the programs do not fit', async () => {
    const { host, user, gomote } = await onSmallDisk();
    fill(user.home);
    const { code, stderr } = await gomote('create', host);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(isTold(user.name)) });
    expect(leftIn(user)).toEqual([]);
  });

  it('is reported when a buildlet does not fit', async () => {
    const { host, user, gomote, succeed } = await onSmallDisk();
    await succeed('destroy', await succeed('create', host));
    fill(user.home);
    const { code, stderr } = await gomote('create', host);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(isTold(user.name)) });
    expect(leftIn(user)).toEqual([]);
  });
});
