import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labWithUser, leftIn, sshWorkshop } from '../../helpers/ssh-workshop.ts';
import { hasSshd, sshLab, sshUser } from '../../helpers/sshd.ts';

const unused = 9;

/** Two hosts that work, and one where nothing listens. */
async function threeHosts() {
  const lab = sshLab();
  const [first, second] = [sshUser(), sshUser()];
  await lab.sshd({ alias: 'one' });
  await lab.sshd({ alias: 'two' });
  lab.configure('down', { HostName: '127.0.0.1', Port: unused });
  const shop = sshWorkshop(lab);
  const hosts = [`${first.name}@one`, 'down', `${second.name}@two`];
  shop.configure(`[backends.farm]\nkind = "ssh"\nhosts = ${JSON.stringify(hosts)}\n`);
  return { lab, first, second, hosts, ...shop };
}

describe.skipIf(!hasSshd)('several hosts', () => {
  it('are chosen by load, or by --host; one that is down is named', async () => {
    const { first, second, gomote, succeed } = await threeHosts();
    const made = await gomote('create', '--backend', 'farm', 'local', '--count', '3');
    expect(made).toMatchObject({ code: 0 });
    expect(made.stderr).toMatch(/^gomote: down: it refuses the connection .*; it is left out$/m);
    const names = made.stdout.toString().trim().split('\n');
    expect(new Set(names)).toEqual(new Set([0, 1, 2].map((n) => `farm/me-local-${n}`)));
    const ids = [];
    for (const name of names) ids.push(await succeed('run', name, 'id', '-un'));
    expect(new Set(ids)).toEqual(new Set([first.name, second.name]));
    const picked = await succeed('create', '--backend', 'farm', 'local', '--host', 'two');
    expect(await succeed('run', picked, 'id', '-un')).toBe(second.name);

    const listed = await gomote('list', '--backend', 'farm');
    expect(listed.code).toBe(1);
    expect(listed.stderr).toMatch(/^gomote: backend farm: down: it refuses the connection/);
    expect(listed.stdout.toString().trim().split('\n')).toHaveLength(4);
    const down = await gomote('create', '--backend', 'farm', 'local', '--host', 'down');
    expect(down).toMatchObject({ code: 1 });
    expect(down.stderr).toMatch(/^gomote: down: it refuses the connection .*; see that sshd runs/);
    const nosuch = await gomote('create', '--backend', 'farm', 'local', '--host', 'three');
    expect(nosuch).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('backend "farm" has no host "three"; hosts are: '),
    });

    const reaped = await gomote('reap', '--backend', 'farm');
    expect(reaped).toMatchObject({ code: 1, stderr: expect.stringContaining('down: it refuses') });
    const destroyed = await gomote('destroy', '--all', '--backend', 'farm');
    expect(destroyed.code).toBe(1);
    expect(destroyed.stderr).toMatch(/^gomote: down: it refuses the connection/);
    expect(destroyed.stdout.toString().trim().split('\n').sort()).toEqual(
      [...names, picked].sort(),
    );
    expect([...leftIn(first), ...leftIn(second)]).toEqual([]);
  });

  it('are asked for a name that this machine does not know', async () => {
    const { gomote, succeed, directory, second } = await threeHosts();
    const name = await succeed('create', '--backend', 'farm', 'local', '--host', 'two');
    // As on another machine of the user.
    rmSync(join(directory, '.cache'), { recursive: true });
    expect(await succeed('run', name, 'id', '-un')).toBe(second.name);
    rmSync(join(directory, '.cache'), { recursive: true });
    expect(await gomote('destroy', name)).toMatchObject({ code: 0, stderr: '' });
    expect(leftIn(second)).toEqual([]);
    // One does not answer: it may have it.
    expect(await gomote('run', name, 'true')).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^gomote: down: it refuses the connection/),
    });
  });

  it('that are all down are all named', async () => {
    const lab = sshLab();
    for (const alias of ['here', 'there']) {
      lab.configure(alias, { HostName: '127.0.0.1', Port: unused });
    }
    const { configure, gomote } = sshWorkshop(lab);
    configure('default = "farm"\n[backends.farm]\nkind = "ssh"\nhosts = ["here", "there"]\n');
    const { code, stderr } = await gomote('create', 'local');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^gomote: no host answers: here: it refuses .*; there: it refuses/);
  });
});

describe.skipIf(!hasSshd)('one host', () => {
  it('shows each --user their own buildlets, on any machine', async () => {
    const lab = sshLab();
    await lab.sshd();
    const account = sshUser();
    const host = `ssh:${account.name}@box`;
    const [here, there] = [sshWorkshop(lab), sshWorkshop(lab)];
    const mine = await here.succeed('create', host, '--user', 'ann');
    const others = await there.succeed('create', host, '--user', 'bob');
    expect(mine).toBe(`${host}/ann-ssh-0`);
    expect(others).toBe(`${host}/bob-ssh-0`);
    expect(await there.succeed('list', '--backend', host, '--user', 'ann')).toMatch(/ann-ssh-0/);
    expect(await there.succeed('list', '--backend', host, '--user', 'ann')).not.toMatch(/bob/);
    expect(await there.gomote('run', '--user', 'bob', mine, 'true')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("is ann's; give --user ann"),
    });
    expect(await there.gomote('destroy', mine, '--user', 'bob')).toMatchObject({ code: 1 });
    expect(await there.succeed('run', '--user', 'ann', mine, 'echo', 'hello')).toBe('hello');
    expect(await there.gomote('destroy', mine, '--user', 'ann')).toMatchObject({ code: 0 });
    expect(await here.gomote('destroy', others, '--user', 'bob')).toMatchObject({ code: 0 });
    expect(leftIn(account)).toEqual([]);
  });

  it('is reached through a jump host', async () => {
    const lab = sshLab();
    const [account, jumper] = [sshUser(), sshUser()];
    await lab.sshd({ alias: 'jump' });
    const inner = await lab.sshd({ alias: 'direct' });
    lab.configure('inner', {
      HostName: '127.0.0.1',
      Port: inner.port,
      ProxyJump: `${jumper.name}@jump`,
    });
    // A jump uses ssh again, without the options of the first.
    lab.configure('jump', { IdentityFile: join(lab.directory, 'user') });
    const { configure, succeed } = sshWorkshop(lab);
    configure(
      `[backends.far]\nkind = "ssh"\nssh-config = "${lab.configFile}"\nhosts = ["${account.name}@inner"]\n`,
    );
    const name = await succeed('create', '--backend', 'far', 'local');
    expect(await succeed('run', name, 'id', '-un')).toBe(account.name);
    await succeed('destroy', name);
  });

  it('that allows few sessions at once is waited for', async () => {
    const lab = sshLab();
    await lab.sshd({ settings: ['MaxSessions 2'] });
    const account = sshUser();
    const host = `ssh:${account.name}@box`;
    const { succeed } = sshWorkshop(lab);
    const names = (await succeed('create', '--count', '6', host)).split('\n');
    expect(names).toHaveLength(6);
    expect(await succeed('list', '--backend', host)).toContain(names[5]);
    await succeed('destroy', ...names);
    expect(leftIn(account)).toEqual([]);
  });

  it('takes many requests at once without a warning', async () => {
    const { gomote, host } = await labWithUser();
    const names = Array.from({ length: 12 }, (_, i) => `${host}/me-ssh-${i}`);
    const { code, stderr } = await gomote('destroy', ...names);
    expect(code).toBe(1);
    expect(stderr.match(/no buildlet "me-ssh-[0-9]+" on/g)).toHaveLength(names.length);
    expect(stderr).not.toContain('Warning');
  });

  it('serves all commands over one connection', async () => {
    const lab = sshLab();
    await lab.sshd({ settings: ['LogLevel VERBOSE'] });
    const account = sshUser();
    const host = `ssh:${account.name}@box`;
    const { succeed, directory } = sshWorkshop(lab);
    // Counts the programs that connect by themselves.
    const log = join(directory, 'log');
    writeFileSync(log, '');
    lab.configure('*', { PermitLocalCommand: 'yes', LocalCommand: `echo connected >>${log}` });
    const name = await succeed('create', host);
    await succeed('run', name, 'true');
    await succeed('list', '--backend', host);
    await succeed('destroy', name);
    expect(readFileSync(log, 'utf8')).toBe('connected\n');
  });
});
