// A project file that came with somebody else's repository: it runs nothing on this machine, and reads nothing outside the
// project.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, workshop } from '../../helpers/programs.ts';

function hostile() {
  const shop = workshop();
  const top = join(shop.directory, 'cloned');
  const mark = join(shop.directory, 'it-ran-here');
  mkdirSync(top);
  writeFileSync(join(top, 'a'), 'a');
  writeFileSync(join(shop.directory, 'secret'), 'hidden=1\n');
  writeFileSync(join(shop.directory, 'evil.sh'), `touch ${mark}\n`);
  const write = (text: string) =>
    writeFileSync(join(top, '.gomote.toml'), text.replaceAll('MARK', mark));
  const gomote = async (...args: string[]) => {
    const { code, stdout, stderr } = await ending(shop.start('gomote', args, { cwd: top }));
    return { code, said: `${stdout}${stderr}` };
  };
  return { ...shop, top, mark, write, gomote };
}

const touch = 'run = "touch MARK"';

describe('a project file of somebody else', () => {
  it.each([
    ['a job, where nothing is configured', `[jobs.x]\n${touch}`, ['job', 'x']],
    ['a job of a list', `[jobs.x]\nrun = ["touch", "MARK"]`, ['job', 'x']],
    ['a job that names this machine', `[jobs.x]\nbackend = "local"\n${touch}`, ['job', 'x']],
    ['a file that names this machine', `backend = "local"\n[jobs.x]\n${touch}`, ['job', 'x']],
    ['a type of this machine', `[jobs.x]\ntype = "local"\n${touch}`, ['job', 'x']],
    ['several types', `[jobs.x]\ntypes = ["local", "local"]\n${touch}`, ['job', 'x']],
    ['a container', `[jobs.x]\ntype = "docker:busybox"\n${touch}`, ['job', 'x']],
    [
      'the backend of containers',
      `backend = "docker"\ntype = "docker:busybox"\n[jobs.x]\n${touch}`,
      ['job', 'x'],
    ],
    ['a host', `[jobs.x]\ntype = "ssh:evil@127.0.0.1"\n${touch}`, ['job', 'x']],
    [
      'a host with options',
      `[jobs.x]\ntype = "ssh:-oProxyCommand=touch MARK"\n${touch}`,
      ['job', 'x'],
    ],
    ['hosts among types', `[jobs.x]\ntypes = ["ssh:evil", "local"]\n${touch}`, ['job', 'x']],
    ['a setup before the user’s own command', 'setup = "s.sh"', ['once', '--', 'true']],
    ['variables for the user’s own command', '[env]\nBASH_ENV = "./s.sh"', ['once', '--', 'true']],
    ['a type for the user’s own command', 'type = "docker:busybox"', ['once', '--', 'true']],
    ['a host for the user’s own command', 'type = "ssh:evil"', ['once', '--', 'true']],
    [
      'a definition of a backend',
      '[backends.x]\nkind = "ssh"\nhost = "evil"',
      ['once', '--', 'true'],
    ],
    ['a host type', '[hosts.x]\nlocal = {}', ['once', '--', 'true']],
    ['a host behind a backend', 'backend = "ssh:evil"', ['once', '--', 'true']],
    ['options of ssh', '[jobs.x]\nrun = "true"\nssh = "-oProxyCommand=touch MARK"', ['job', 'x']],
  ])('runs nothing here by %s', async (_what, text, args) => {
    const { write, gomote, mark, top } = hostile();
    write(text);
    writeFileSync(join(top, 's.sh'), `touch ${mark}\n`);
    const { code, said } = await gomote(...args);
    expect(existsSync(mark)).toBe(false);
    expect(code).toBe(125);
    expect(said).toContain('.gomote.toml');
    expect((await gomote('list')).said).toBe('');
  });

  it('runs its job here when the user asks for that', async () => {
    const { write, gomote, mark } = hostile();
    write(`[jobs.x]\n${touch}`);
    expect(await gomote('job', '--backend', 'local', 'x')).toMatchObject({ code: 0 });
    expect(existsSync(mark)).toBe(true);
  });

  it('runs no job on a host that it names, even if the user types local', async () => {
    const { write, gomote, mark } = hostile();
    for (const host of ['evil', '-oProxyCommand=touch MARK', 'evil@127.0.0.1:1']) {
      write(`[jobs.x]\ntype = "ssh:${host}"\n${touch}`);
      const { code, said } = await gomote('job', '--backend', 'local', 'x');
      expect([code, said]).toEqual([125, expect.stringContaining('a host is for config.toml')]);
    }
    expect(existsSync(mark)).toBe(false);
  });

  it('names one type by one word, even if the user types local', async () => {
    const { write, gomote, mark } = hostile();
    for (const list of ['types = ["local,ssh:evil"]', 'types = [",ssh:evil"]', 'type = "a,b"']) {
      write(`[jobs.x]\n${list}\n${touch}`);
      const { code, said } = await gomote('job', '--backend', 'local', 'x');
      expect([code, said]).toEqual([125, expect.stringContaining('a type has no commas')]);
    }
    expect(existsSync(mark)).toBe(false);
  });

  it.each([
    ['above the project', '../evil.sh'],
    ['above, by a detour', 'sub/../../evil.sh'],
    ['by its absolute path', 'ABSOLUTE'],
    ['behind a link', 'link.sh'],
    ['below a link', 'linked/evil.sh'],
    ['that is a directory', 'sub'],
    ['that is a FIFO', 'fifo'],
    ['that is a device', '/dev/zero'],
    ['that is not there', 'nothing.sh'],
    ['by a path of Windows', '..\\evil.sh'],
    ['on a drive', 'C:\\evil.sh'],
    ['without a name', ''],
    ['that is the project itself', '.'],
  ])('cannot have a setup %s', async (_what, setup) => {
    const { write, gomote, mark, top, directory } = hostile();
    mkdirSync(join(top, 'sub'));
    symlinkSync(join(directory, 'evil.sh'), join(top, 'link.sh'));
    symlinkSync(directory, join(top, 'linked'));
    execFileSync('mkfifo', [join(top, 'fifo')]);
    write(`setup = ${JSON.stringify(setup.replace('ABSOLUTE', join(directory, 'evil.sh')))}`);
    // What the user trusts to run is no more than what is in the project.
    const { code, said } = await gomote('once', '--no-push', '--backend', 'local', '--', 'true');
    expect([code, existsSync(mark)]).toEqual([125, false]);
    expect(said).toContain('setup');
  });

  it.each(['../x', '/x', 'a/../../x', '..', ''])('cannot have dest %j', async (dest) => {
    const { write, gomote } = hostile();
    write(`dest = ${JSON.stringify(dest)}`);
    expect(await gomote('once', '--', 'true')).toMatchObject({ code: 125 });
  });

  it.each(['exclude', 'artifacts', 'require'])('cannot have %s that climbs out', async (key) => {
    const { write, gomote } = hostile();
    for (const pattern of ['../secret', 'a/../../secret', './x', '']) {
      write(`${key} = [${JSON.stringify(pattern)}]`);
      expect(await gomote('once', '--', 'true')).toMatchObject({ code: 125 });
    }
  });

  it('cannot take variables from the user', async () => {
    const { write, gomote } = hostile();
    write('[jobs.x]\nrun = "echo $A-$B-$HOME_OF"\n[jobs.x.env]\nA = "$HOME"\nB = "`id`"');
    const { said } = await gomote('job', '--backend', 'local', 'x');
    expect(said).toContain('$HOME-`id`-');
    write('[jobs.x]\nrun = "true"\n[jobs.x]\nenv = ["HOME"]');
    expect(await gomote('job', 'x')).toMatchObject({ code: 125 });
    write('env-file = "../secret"');
    expect(await gomote('once', '--', 'true')).toMatchObject({ code: 125 });
  });

  it('is not read through a link, and shows nothing of the link’s target', async () => {
    const { gomote, top, directory } = hostile();
    symlinkSync(join(directory, 'secret'), join(top, '.gomote.toml'));
    const { code, said } = await gomote('once', '--', 'true');
    expect(code).toBe(125);
    expect(said).toContain('.gomote.toml is a symbolic link');
    expect(said).not.toContain('hidden');
  });

  it.each([
    ['a directory', (path: string) => mkdirSync(path)],
    ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['endless', (path: string) => writeFileSync(path, Buffer.alloc(2 << 20, '#'))],
    ['not UTF-8', (path: string) => writeFileSync(path, Buffer.from([0x23, 0xff]))],
    [
      'writable by everybody',
      (path: string) => {
        writeFileSync(path, '');
        chmodSync(path, 0o666);
      },
    ],
  ])('that is %s is refused', async (_what, make) => {
    const { gomote, top } = hostile();
    make(join(top, '.gomote.toml'));
    expect(await gomote('once', '--', 'true')).toMatchObject({ code: 125 });
    expect(await gomote('once', '--no-project', '--', 'true')).toMatchObject({ code: 0 });
  });

  it('writes nothing outside the project, and not into .git, by its artifacts', async () => {
    const { write, gomote, top, directory } = hostile();
    mkdirSync(join(top, '.git'));
    write(
      'artifacts = ["*"]\n[jobs.x]\nrun = "mkdir -p .git/hooks; echo x > .git/hooks/pre-commit; ln -s ../.. up; echo y > up/z"',
    );
    await gomote('job', '--no-push', '--backend', 'local', '--dir', '.', 'x');
    expect(existsSync(join(top, '.git/hooks/pre-commit'))).toBe(false);
    expect(existsSync(join(directory, 'z'))).toBe(false);
  });
});
