// A buildlet as the ssh of the system sees it: commands, terminals, sockets, the agent.
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../helpers/free-port.ts';
import { echoServer, sent } from '../helpers/ports.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { ending } from '../helpers/programs.ts';
import { hasSsh, sshWorkshop } from '../helpers/ssh.ts';
import { hasTmux, openScreen } from '../helpers/tmux.ts';

describe.skipIf(!hasSsh)('ssh to a buildlet', () => {
  it('runs a command in the work directory, with its input, both outputs and its status', async () => {
    const { ssh, sshWith, name, gomote } = await sshWorkshop();
    const workDir = (await gomote('run', name, 'pwd')).stdout.toString();
    expect(await sshWith('typed\n', name, 'pwd; cat; echo no >&2; exit 3')).toMatchObject({
      code: 3,
      stdout: Buffer.from(`${workDir}typed\n`),
      stderr: 'no\n',
    });
    // As with sshd, the words are one line for the shell there.
    expect(await ssh(name, 'echo', "'a  b'", '$((1+1))', '&&', 'echo', '*x*')).toMatchObject({
      code: 0,
      stdout: Buffer.from('a  b 2\n*x*\n'),
    });
    expect(await ssh('-o', 'SetEnv=LC_ODD=ä', name, 'echo "$LC_ODD"')).toMatchObject({
      stdout: Buffer.from('ä\n'),
    });
    expect(await sshWith('echo of $0; exit 5\n', name)).toMatchObject({ code: 5 });
    expect(await ssh(name, 'kill -9 $$')).toMatchObject({ code: 255 });
    expect(await ssh(name, 'no-such-command')).toMatchObject({ code: 127 });
  });

  it('passes 64 MiB in each direction completely', async () => {
    const { sshWith, name } = await sshWorkshop();
    const bytes = Buffer.alloc(64 << 20, 'one two three ');
    const { code, stdout, stderr } = await sshWith(bytes, name, 'cat');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.equals(bytes)).toBe(true);
  });

  it('passes output and errors that the client reads late, each in order', async () => {
    const { ssh, name } = await sshWorkshop();
    const script = 'seq 1 400000 & seq 1 400000 >&2; wait';
    const { code, stdout, stderr } = await ssh(name, script);
    expect(code, stderr.slice(-500)).toBe(0);
    const numbers = Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join('');
    expect(stdout.toString() === numbers && stderr === numbers).toBe(true);
  });

  it('ends the command when ssh is killed', async () => {
    const { startSsh, name } = await sshWorkshop();
    const mark = `31.${process.pid}`;
    const client = startSsh([name, `sleep ${mark}`], { stdio: ['pipe', 'pipe', 'pipe'] });
    const inside = () => processesWith(`sleep\0${mark}`).length > 0;
    await until(inside);
    client.kill('SIGKILL');
    await until(() => !inside());
  });

  it('exits with 255 and the reason when the buildlet is gone', async () => {
    const { startSsh, ssh, name, gomote } = await sshWorkshop();
    const client = startSsh([name, 'echo begun; sleep 600']);
    const ended = ending(client);
    await once(client.stdout ?? client, 'data');
    await gomote('destroy', name);
    const { code, stderr } = await ended;
    expect(code).toBe(255);
    expect(stderr).toMatch(/^gomote: the command ended by SIG|^gomote: lost run/m);
    expect(await ssh(name, 'true')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining(`no local buildlet "${name}"`),
    });
  });

  it('forwards connections in both directions, and to Unix sockets', async () => {
    const { startSsh, ssh, name, directory } = await sshWorkshop();
    const port = await echoServer();
    const [here, there] = [await freePort(), await freePort()];
    const [path, far] = [join(directory, 'near'), join(directory, 'far')];
    const client = startSsh([
      ...['-N', '-v', '-o', 'ExitOnForwardFailure=yes', '-L', `${here}:localhost:${port}`],
      ...['-R', `${there}:localhost:${port}`, '-R', `${far}:localhost:${port}`],
      ...['-L', `${path}:${far}`, name],
    ]);
    let said = '';
    client.stderr?.on('data', (text) => {
      said += text;
    });
    await until(() => said.split('remote forward success').length === 3 && existsSync(path));
    expect(await sent(here, 'one')).toBe('one');
    expect(await sent(there, 'two')).toBe('two');
    // Through the socket that the buildlet listens at, and back.
    expect(await sent(path, 'three')).toBe('three');
    const refused = await ssh('-W', `127.0.0.1:${await freePort()}`, name);
    expect(refused).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/open failed: connect failed: .*ECONNREFUSED/),
    });
  });

  it('lets several commands share one connection', async () => {
    const { ssh, startSsh, name, directory } = await sshWorkshop();
    const control = ['-o', `ControlPath=${join(directory, 'c')}`];
    const master = startSsh([...control, '-M', '-N', name], { stdio: ['ignore', 1, 2] });
    await until(() => existsSync(join(directory, 'c')));
    const ends = await Promise.all(
      [1, 2, 3].map((n) => ssh(...control, name, `echo ${n}; exit ${n}`)),
    );
    expect(ends.map(({ code, stdout }) => [code, stdout.toString()])).toEqual([
      [1, '1\n'],
      [2, '2\n'],
      [3, '3\n'],
    ]);
    const mark = `32.${process.pid}`;
    const one = startSsh([...control, name, `sleep ${mark}`], { stdio: 'pipe' });
    const inside = () => processesWith(`sleep\0${mark}`).length > 0;
    await until(inside);
    const filled = startSsh([...control, name, 'yes & yes >&2'], { stdio: 'pipe' });
    await Promise.all([filled.stdout, filled.stderr].map((stream) => once(stream ?? one, 'data')));
    one.kill('SIGKILL');
    filled.kill('SIGKILL');
    await until(() => !inside());
    expect(await ssh(...control, name, 'echo still')).toMatchObject({ code: 0 });
    expect(master.exitCode).toBe(null);
  });

  it('gives commands the client’s agent, and nothing without -A', async () => {
    const { run, start, environment, ssh, name, directory } = await sshWorkshop();
    const socket = join(directory, 'agent');
    const agent = start('ssh-agent', ['-D', '-a', socket]);
    onTestFinished(() => void agent.kill());
    await until(() => existsSync(socket));
    await run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'mine', '-f', 'key');
    environment.SSH_AUTH_SOCK = socket;
    await run('ssh-add', '-q', 'key');
    const list = 'echo "$SSH_AUTH_SOCK"; ssh-add -l';
    const { stdout } = await ssh('-A', name, list);
    const [path = '', keys] = stdout.toString().split('\n');
    expect(keys).toContain(' mine (ED25519)');
    await until(() => !existsSync(path));
    expect(await ssh('-a', name, list)).toMatchObject({ code: 2, stdout: Buffer.from('\n') });
  });

  it('admits nobody without the key that was made for it', async () => {
    const { ssh, run, name, directory } = await sshWorkshop();
    await run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', 'other');
    const other = ['-o', 'IdentityAgent=none', '-o', `IdentityFile=${join(directory, 'other')}`];
    // The first value counts: the entry's own key must be away.
    const keys = join(directory, '.local/state/gomote-ssh/keys');
    expect(statSync(join(keys, 'id_ed25519')).mode & 0o777).toBe(0o600);
    expect(statSync(join(keys, 'host_ed25519')).mode & 0o777).toBe(0o600);
    rmSync(join(keys, 'id_ed25519'));
    const refused = await ssh(...other, '-o', 'BatchMode=yes', name, 'echo in');
    expect(refused).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
    expect(refused.stderr).toContain('Permission denied (publickey)');
    // Nor does ssh talk to another server.
    const known = join(keys, 'known_hosts');
    const other25519 = readFileSync(join(directory, 'other.pub'), 'utf8');
    writeFileSync(known, `gomote ${other25519}`);
    expect((await ssh(name, 'echo in')).stderr).toContain('Host key verification failed');
  });

  it.skipIf(!hasTmux)('gives a command a terminal, its size, and Ctrl-C', async () => {
    const shop = await sshWorkshop();
    const screen = openScreen(shop);
    screen.enter(`ssh -F ${shop.config} -t ${shop.name} 'stty size; exec sh'`);
    await screen.shows('24 80');
    screen.resize(100, 30);
    // Until the buildlet has been told.
    screen.enter('until [ "$(stty size)" = "30 100" ]; do sleep 0.1; done; echo told=$TERM');
    await screen.shows(/told=(tmux|screen)/);
    screen.enter(`trap "echo inter''rupted" INT; echo rea''dy; sleep 600`);
    await screen.shows('ready');
    screen.press('C-c');
    await screen.shows('interrupted');
    screen.enter('exit 7');
    await screen.shows(/^Connection to .* closed/m);
    screen.enter('echo left=$?');
    await screen.shows('left=7');
  });
});
