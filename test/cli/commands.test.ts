// Each command, on a real local buildlet.
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { commands } from '../../src/cli/command-table.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { processesWith, until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A command line and a buildlet of it. */
async function withBuildlet() {
  const cli = testCli();
  const { stdout } = await cli(['create', 'local']);
  return { cli, name: stdout.trim() };
}

const done = (stdout = '') => ({ code: 0, stdout, stderr: '' });

describe('the commands create, list and destroy', () => {
  it('print only names, list them, and leave nothing', async () => {
    const cli = testCli();
    expect(await cli(['create', 'local'])).toEqual(done('me-local-0\n'));
    // The beginning of a type will do.
    expect(await cli(['create', '--count', '3', 'lo'])).toEqual(
      done('me-local-1\nme-local-2\nme-local-3\n'),
    );
    const { stdout } = await cli(['list']);
    expect(stdout).toMatch(/^(me-local-\d\tlocal\texpires in (30m0s|29m\d+s)\n){4}$/);
    const json = JSON.parse((await cli(['list', '--json'])).stdout);
    expect(json[0]).toMatchObject({
      backend: 'local',
      name: 'me-local-0',
      builderType: 'local',
      hostType: 'host-local',
      state: 'running',
    });
    expect(await cli(['destroy', 'me-local-1', 'me-local-2'])).toEqual(done());
    const all = await cli(['destroy', '--all']);
    expect(all.stdout.split('\n').sort()).toEqual(['', 'me-local-0', 'me-local-3']);
    expect(await cli(['list'])).toEqual(done());
    expect(readdirSync(join(cli.directory, 'gomote'))).toEqual([]);
  });

  it('accept a buildlet that is already gone, with destroy --ignore-missing', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const argv = ['destroy', '--ignore-missing', 'me-local-99', name, name];
    expect(await cli(argv)).toEqual(done());
    expect(await cli(['destroy', name])).toMatchObject({ code: 1 });
    expect(await cli(['destroy', '--ignore-missing', 'nosuch/me-local-0'])).toMatchObject({
      code: 1,
    });
  });

  it('destroy the buildlets that they can, and name the others', async () => {
    const { cli, name } = await withBuildlet();
    const { code, stderr } = await cli(['destroy', 'nope', name]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('"nope"')]);
    expect((await cli(['list'])).stdout).toBe('');
  });

  it('report a buildlet that died, whatever the command', async () => {
    const { cli, name } = await withBuildlet();
    const record = join(cli.directory, 'gomote', name, 'record.json');
    process.kill(JSON.parse(readFileSync(record, 'utf8')).pid, 'SIGKILL');
    await until(async () => (await cli(['list'])).stdout.includes('died'));
    const file = join(temporaryDirectory(), 'f');
    writeFileSync(file, '');
    for (const argv of [
      ['run', name, 'true'],
      ['ls', name],
      ['ping', name],
      ['put', name, file],
      ['puttar', name, file],
      ['gettar', name],
      ['rm', name, 'x'],
    ]) {
      const { code, stdout, stderr } = await cli(argv);
      expect({ argv, code, stdout }).toEqual({
        argv,
        code: argv[0] === 'run' ? 125 : 1,
        stdout: '',
      });
      expect(stderr).toBe(
        `gomote: the buildlet "${name}" has died; remove what is left of it: gomote destroy ${name}\n`,
      );
    }
    expect(await cli(['destroy', name])).toEqual(done());
  });
});

describe('run', () => {
  it('exits as the command did and passes its output', async () => {
    const { cli, name } = await withBuildlet();
    for (const status of [0, 1, 2, 7, 124, 125, 126, 127, 255]) {
      expect(await cli(['run', name, 'sh', '-c', `echo out; exit ${status}`])).toEqual({
        code: status,
        stdout: 'out\n',
        stderr: '',
      });
    }
    expect(await cli(['run', name, '/bin/sh', '-c', 'kill -9 $$'])).toMatchObject({
      code: 137,
      stderr: 'gomote: the command ended by SIGKILL\n',
    });
    expect(
      await cli(['run', '--quiet', name, 'sh', '-c', 'ulimit -c 0; kill -SEGV $$']),
    ).toMatchObject({ code: 139, stderr: '' });
  });

  it('exits with 127 and 126 when the command is not found or not executable', async () => {
    const { cli, name } = await withBuildlet();
    expect(await cli(['run', name, 'no-such-command'])).toMatchObject({
      code: 127,
      stderr: expect.stringContaining('executable file not found'),
    });
    expect(await cli(['run', name, './no-such-file'])).toMatchObject({ code: 127 });
    await cli(['put', name, '-', 'plain'], { stdin: ['x'] });
    expect(await cli(['run', name, './plain'])).toMatchObject({
      code: 126,
      stderr: expect.stringContaining('permission denied'),
    });
    expect(await cli(['run', '-dir', 'absent', name, 'true'])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('chdir'),
    });
  });

  it('finds a bare name on PATH, ./name in the work directory, and runs in the work directory', async () => {
    const { cli, name } = await withBuildlet();
    const workDir = (await cli(['run', name, 'pwd'])).stdout;
    await cli(['put', '-mode=755', name, '-', 'd/pwd'], {
      stdin: ['#!/bin/sh\necho mine in $PWD $*\n'],
    });
    expect(await cli(['run', name, './d/pwd', 'a', '-b'])).toEqual(
      done(`mine in ${workDir.trim()}/d a -b\n`),
    );
    expect(await cli(['run', name, 'd/pwd'])).toEqual(done(`mine in ${workDir.trim()}/d\n`));
    expect(await cli(['run', '-path', '$WORKDIR/d,$PATH', name, 'pwd'])).toEqual(
      done(`mine in ${workDir.trim()}\n`),
    );
    expect(await cli(['run', '--dir', 'd', name, '/bin/pwd'])).toEqual(
      done(`${workDir.trim()}/d\n`),
    );
  });

  it('leaves everything after NAME CMD to the command, and takes -- before it', async () => {
    const { cli, name } = await withBuildlet();
    const argv = ['printf', '%s\\n', '-dir=x', '--system', '--', '-h', '--version', ''];
    const expected = done('-dir=x\n--system\n--\n-h\n--version\n\n');
    expect(await cli(['run', name, ...argv])).toEqual(expected);
    expect(await cli(['run', name, '--', ...argv])).toEqual(expected);
  });

  it('sets variables, of which the last of equal names wins, and PATH in Go’s three ways', async () => {
    const { cli, name } = await withBuildlet();
    expect(
      await cli(['run', '-e', 'A=1', '-e=A=2', '--env', 'B=x=y', name, 'sh', '-c', 'echo $A $B']),
    ).toEqual(done('2 x=y\n'));
    expect(await cli(['run', '-path', 'EMPTY', name, '/usr/bin/env'])).toMatchObject({
      code: 0,
      stdout: expect.not.stringMatching(/^PATH=/m),
    });
    expect(await cli(['run', '-path=$PATH,/x', name, '/bin/sh', '-c', 'echo $PATH'])).toEqual(
      done(`${process.env.PATH}:/x\n`),
    );
  });

  it('ends a command that exceeds its time with 124', async () => {
    const { cli, name } = await withBuildlet();
    expect(await cli(['run', '--timeout', '100ms', name, 'sleep', '100'])).toMatchObject({
      code: 124,
    });
  });

  it('gives the environment of the builder type, and of another with --builderenv', async () => {
    const buildlet = await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
    const cli = testCli();
    mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true });
    writeFileSync(
      join(cli.directory, 'config/gomote/config.toml'),
      `[hosts.h]\n[builders.a]\nhost = "h"\nenv = ["X=a", "Y=a"]\npath = ["/only", "$PATH"]\n[builders.b]\nhost = "h"\nenv = ["X=b"]\n`,
    );
    const show = ['/bin/sh', '-c', 'echo $X $Y; case $PATH in /only:*) echo path;; esac'];
    const direct = `a@${buildlet.address}`;
    expect(await cli(['run', '-e', 'Y=mine', direct, ...show])).toEqual(done('a mine\npath\n'));
    expect(await cli(['run', '--builderenv', 'b', direct, ...show])).toEqual(done('b\n'));
  });

  it('shows with --debug how it runs the command, and with --verbose which requests it makes', async () => {
    const { cli, name } = await withBuildlet();
    expect((await cli(['run', '-debug', name, 'echo', 'x'])).stdout).toMatch(
      /^:: Running \/\S*echo with args \["echo" "x"\] .*\n\nx\n$/s,
    );
    const { stderr } = await cli(['--verbose', 'run', name, 'true']);
    expect(stderr).toMatch(/^gomote: POST \/session\?id=\S+ 200 \d+ ms\n$/);
  });

  it('sends no request but that of the command', async () => {
    const { cli, name } = await withBuildlet();
    const { stderr } = await cli(['run', '-verbose', name, 'echo']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('that is interrupted exits with 128 and the signal', async () => {
    const { cli, name } = await withBuildlet();
    const controller = new AbortController();
    const mark = `1000.${randomInt(1e9)}`;
    const running = cli(['run', name, 'sleep', mark], {
      interrupt: { signal: controller.signal, received: 'SIGINT' },
    });
    await until(() => processesWith(mark).length > 0);
    controller.abort(new Error('SIGINT'));
    expect(await running).toEqual({ code: 130, stdout: '', stderr: '' });
  });
});

describe('files', () => {
  it('are put, listed by ls and removed by rm', async () => {
    const { cli, name } = await withBuildlet();
    const directory = temporaryDirectory();
    const tool = join(directory, 'tool');
    writeFileSync(tool, 'hello', { mode: 0o755 });
    expect(await cli(['put', name, tool])).toEqual(done());
    expect(await cli(['put', '-mode', '0600', name, tool, 'd/renamed'])).toEqual(done());
    expect(await cli(['put', name, tool, 'into/'])).toEqual(done());
    expect(await cli(['put', name, '-', 'bytes'], { stdin: [Buffer.from([0, 255, 10])] })).toEqual(
      done(),
    );
    const { stdout } = await cli(['ls', '-R', '-d', name]);
    const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ';
    expect(stdout).toMatch(
      new RegExp(
        `^-rw-r--r--\tbytes\t3\t${time}\t[0-9a-f]{40}\ndrwxr-xr-x\td/\n-rw-------\td/renamed\t5\t${time}\taaf4c61d[0-9a-f]{32}\n` +
          `drwxr-xr-x\tinto/\n-rwxr-xr-x\tinto/tool\t5\t${time}\taaf4c61d[0-9a-f]{32}\n-rwxr-xr-x\ttool\t5\t${time}\taaf4c61d[0-9a-f]{32}\n$`,
      ),
    );
    expect((await cli(['ls', '-R', '-skip', 'd,into', name])).stdout.split('\n')).toHaveLength(3);
    expect((await cli(['ls', name, 'd'])).stdout).toMatch(/\trenamed\t/);
    expect(await cli(['rm', name, 'd', 'tool', 'absent'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('absent'),
    });
    expect(await cli(['rm', name, '.'])).toEqual(done());
    expect(await cli(['ls', name])).toEqual(done());
    expect(await cli(['rm', name, '../x'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"../x"'),
    });
  });

  it('are sent and fetched as archives, from a file, from stdin and from a URL', async () => {
    const { cli, name } = await withBuildlet();
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'tree'));
    writeFileSync(join(directory, 'tree/f'), 'content');
    const archive = execFileSync('tar', ['czf', '-', '-C', join(directory, 'tree'), '.']);
    const file = join(directory, 'tree.tgz');
    writeFileSync(file, archive);
    const server = createServer((_, response) => response.end(archive));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tree.tgz`;
    expect(await cli(['puttar', '-dir', 'a', name, file])).toEqual(done());
    expect(await cli(['puttar', '--dir=b', name, '-'], { stdin: [archive] })).toEqual(done());
    expect(await cli(['puttar', '-dir', 'c', '-url', url, name])).toEqual(done());
    expect((await cli(['ls', '-R', name])).stdout.match(/\/f\t7\t/g)).toHaveLength(3);
    const out = join(directory, 'out.tgz');
    expect(await cli(['gettar', '-dir', 'a', '-o', out, name])).toEqual(done());
    expect(execFileSync('tar', ['tzf', out], { encoding: 'utf8' })).toBe('f\n');
    expect((await cli(['gettar', name])).stdout.length).toBeGreaterThan(100);
  });

  it('that arrive incomplete do not get their names', async () => {
    const { cli, name } = await withBuildlet();
    const directory = temporaryDirectory();
    const out = join(directory, 'out.tgz');
    expect(await cli(['gettar', '-dir', 'absent', '-o', out, name])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such file or directory'),
    });
    expect(readdirSync(directory)).toEqual([]);
    expect(await cli(['gettar', '-o', join(directory, 'no/out'), name])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot write'),
    });
    writeFileSync(out, 'old');
    expect(await cli(['gettar', '-o', out, 'nope'])).toMatchObject({ code: 1 });
    expect(readFileSync(out, 'utf8')).toBe('old');
  });
});

describe('other commands', () => {
  it('include ping, which answers on stderr, or prints its status on stdout', async () => {
    const { cli, name } = await withBuildlet();
    expect(await cli(['ping', name])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^me-local-0 answers: version 11, \d+ ms\n$/),
    });
    const status = await cli(['ping', '--status', '--quiet', name]);
    expect(status).toEqual(done(expect.stringMatching(/^\{.*\}\n$/)));
    expect(JSON.parse(status.stdout)).toEqual({
      ...{ version: 11, isolation: 'none', network: 'host', limits: [] },
    });
  });

  it('include types and version, which print one line each', async () => {
    const cli = testCli();
    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(await cli(['types'])).toEqual(done('local\thost-local\ta process on this machine\n'));
    for (const argv of [['version'], ['--version'], ['-version']])
      expect(await cli(argv)).toEqual(done(`${version}\n`));
  });

  it('include help, which lists the commands in groups, each once, and each command’s own help', async () => {
    const cli = testCli();
    const { code, stdout } = await cli(['-h']);
    const groups = stdout
      .split('\n\n')
      .map((part) => part.split('\n'))
      .map(([title, ...lines]) => ({
        title,
        names: lines.flatMap(
          (line) => /^ {2}([a-z][a-z-]*)( \[command\])? {2,}/.exec(line)?.[1] ?? [],
        ),
      }))
      .filter(({ names }) => names.length > 0);
    expect(groups.map(({ title }) => title)).toEqual([
      'Machines:',
      'Files:',
      'Commands:',
      'Team:',
      'Other:',
    ]);
    const names = groups.flatMap((group) => group.names);
    expect(names).toEqual([...commands.map(({ name }) => name), 'help']);
    expect(new Set(names).size).toBe(names.length);
    expect(code).toBe(0);
    for (const argv of [
      ['run', '-h'],
      ['help', 'run'],
      ['run', '--help'],
      ['run', '-help'],
    ]) {
      expect(await cli(argv)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('--builderenv <type>'),
      });
    }
  });

  it('read the password of a direct buildlet from a file that only its owner can read', async () => {
    const buildlet = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      password: 'pw',
    });
    const cli = testCli();
    const file = join(cli.directory, 'pw');
    writeFileSync(file, 'pw\n', { mode: 0o600 });
    const name = `linux@${buildlet.address}`;
    expect(await cli(['ping', name])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('invalid password'),
    });
    expect(await cli(['ping', '--password-file', file, name])).toMatchObject({ code: 0 });
    expect(
      await cli(['ping', name], { environment: { GOMOTE_PASSWORD_FILE: file } }),
    ).toMatchObject({ code: 0 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('take variables in place of options', async () => {
    const cli = testCli();
    expect(await cli(['create', 'local'], { environment: { GOMOTE_USER: 'gopher' } })).toEqual(
      done('gopher-local-0\n'),
    );
    expect(await cli(['list'], { environment: { GOMOTE_BACKEND: 'mars' } })).toMatchObject({
      code: 1,
    });
    expect(
      await cli(['list', '--backend', 'local'], { environment: { GOMOTE_BACKEND: 'mars' } }),
    ).toMatchObject({ code: 0 });
    expect((await cli(['ping', 'x'], { environment: { GOMOTE_VERBOSE: '1' } })).stderr).toContain(
      '    at ',
    );
    await cli(['destroy', '--all']);
  });
});
