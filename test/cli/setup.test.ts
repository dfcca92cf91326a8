// Scripts that make new buildlets ready before their names are printed.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../helpers/bubblewrap.ts';
import { testCli } from '../helpers/cli.ts';
import { ending, workshop } from '../helpers/programs.ts';

/** A command line with a script of its own. */
function cliWith(script: string) {
  const cli = testCli();
  const path = join(cli.directory, 'setup.sh');
  writeFileSync(path, script);
  return { cli, path };
}

/** Changes fields in the record of a snapshot. */
function rewriteRecord(directory: string, changes: object): void {
  const path = join(directory, 'snapshot.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

describe('create --setup', () => {
  it('runs the script in the work directory, prints its output on stderr, and keeps it as a run', async () => {
    const { cli, path } = cliWith('echo made >made; echo to stdout; echo to stderr >&2');
    const { code, stdout, stderr } = await cli(['create', '--setup', path, 'local']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'me-local-0\n' });
    expect(stderr.split('\n').sort()).toEqual(['', 'to stderr', 'to stdout']);
    const files = await cli(['ls', 'me-local-0']);
    expect(files.stdout).toMatch(/^\S+\s+made\b.*\n$/m);
    expect(files.stdout).not.toContain('gomote-setup');
    const runs = await cli(['ps', '--json', 'me-local-0']);
    const [run] = JSON.parse(runs.stdout) as { id: string; exitCode: number }[];
    const logs = await cli(['logs', 'me-local-0', run?.id ?? '']);
    expect(logs.stdout + logs.stderr).toContain('to stdout');
  });

  it('runs a script with a #! line by that program, and a script from standard input', async () => {
    const { cli, path } = cliWith(`#!${process.execPath}\nrequire('fs').writeFileSync('n', '')\n`);
    expect(await cli(['create', '--setup', path, 'local'])).toMatchObject({ code: 0 });
    expect((await cli(['ls', 'me-local-0'])).stdout).toContain('n');
    const typed = await cli(['create', '--setup', '-', 'local'], { stdin: ['echo x', 'y >z\n'] });
    expect(typed).toMatchObject({ code: 0, stdout: 'me-local-1\n' });
    expect((await cli(['run', 'me-local-1', 'cat', 'z'])).stdout).toBe('xy\n');
  });

  it.each([
    [
      'its exit status',
      'echo one; echo two >&2; exit 7',
      /failed: exit status 7: (one|two) \/ (one|two); correct/,
    ],
    ['its signal', 'kill -9 $$', /failed: signal: killed; correct/],
    ['no words', 'exit 1', /failed: exit status 1; correct/],
  ])(
    'destroys the buildlet of a script that fails, and reports %s',
    async (_what, script, said) => {
      const { cli, path } = cliWith(script);
      const { code, stdout, stderr } = await cli([
        'create',
        '--count',
        '2',
        '--setup',
        path,
        'local',
      ]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(said);
      expect((await cli(['list'])).stdout).toBe('');
    },
  );

  it('leaves the buildlet of a script that fails with --keep-on-failure, and names it', async () => {
    const { cli, path } = cliWith('exit 3');
    const ended = await cli(['create', '--keep-on-failure', '--setup', path, 'local']);
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain('kept: local/me-local-0');
    expect((await cli(['list'])).stdout).toContain('me-local-0');
  });

  it('prints the output of several scripts behind the names of their buildlets', async () => {
    const { cli, path } = cliWith('echo a; printf b');
    const { stdout, stderr } = await cli(['create', '--count', '2', '--setup', path, 'local']);
    expect(stdout).toBe('me-local-0\nme-local-1\n');
    const lines = [0, 1].flatMap((n) => [`me-local-${n}| a`, `me-local-${n}| b`]);
    expect(stderr.trim().split('\n').sort()).toEqual(lines);
  });

  it.each([
    [
      'a script that is not there',
      ['--setup', 'no-such-file'],
      /cannot read the setup .*no-such-file/,
    ],
    ['files without a script', ['--setup-file', 'x'], /there is no --setup/],
    [
      'a file outside',
      ['--setup', '-', '--setup-file', '../x'],
      /"\.\.\/x" of the setup is not below/,
    ],
    ['an absolute file', ['--setup', '-', '--setup-file', '/etc/hostname'], /is not below/],
    [
      'a file that is not there',
      ['--setup', '-', '--setup-file', 'no/such'],
      /cannot read the file "no\/such" of the setup "\(standard input\)"/,
    ],
    [
      'a device, which never ends',
      ['--setup', '/dev/zero'],
      /"\/dev\/zero": it is not a regular file/,
    ],
    ['a directory', ['--setup', '/'], /cannot read the setup "\/": is a directory/],
    ['no name', ['--setup', ''], /cannot read the setup "": /],
    ['a file without a name', ['--setup', '-', '--setup-file', ''], /the file "" of the setup/],
  ])('refuses %s before anything is made', async (_what, args, said) => {
    const cli = testCli();
    const { code, stdout, stderr } = await cli(['create', ...args, 'local'], { stdin: [':'] });
    expect([code, stdout]).toEqual([expect.any(Number), '']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(said);
    expect((await cli(['list'])).stdout).toBe('');
  });

  it('refuses a FIFO that nobody writes to, and an empty standard input', async () => {
    const { cli, path } = cliWith(':');
    const fifo = join(cli.directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const named = await cli(['create', '--setup', fifo, 'local']);
    expect(named).toMatchObject({ code: 1, stdout: '' });
    expect(named.stderr).toContain(`cannot read the setup "${fifo}": it is not a regular file`);
    const typed = await cli(['create', '--setup', '-', 'local'], { stdin: [''] });
    expect(typed).toMatchObject({ code: 2, stdout: '' });
    expect(typed.stderr).toContain('--setup -: there is no script on standard input');
    expect(await cli(['create', '--setup', path, 'local'])).toMatchObject({ code: 0 });
  });

  it.each([
    [
      'with Unix line ends',
      '#!/no/such/program\n:\n',
      '"#!/no/such/program", does not start: no such file',
    ],
    ['with others', '#!/bin/sh\r\n:\r\n', 'must not end with a carriage return'],
  ])(
    'names the program in the first line of a script that is not there, %s',
    async (_what, script, said) => {
      const { cli, path } = cliWith(script);
      const ended = await cli(['create', '--setup', path, 'local']);
      expect(ended).toMatchObject({ code: 1, stdout: '' });
      expect(ended.stderr).toContain(said);
    },
  );

  it('ends an unfinished line of the script before the message', async () => {
    const { cli, path } = cliWith('printf unfinished; exit 5');
    const { stderr } = await cli(['create', '--setup', path, 'local']);
    expect(stderr).toMatch(
      /^unfinished\ngomote: me-local-0: the setup .* exit status 5: unfinished; /,
    );
  });

  it('runs the scripts of the host type and of the builder type first, with their files', async () => {
    const { cli, path } = cliWith('cat order data/f >all; test -x tool && echo given >>all');
    const config = join(cli.directory, 'config/gomote/config.toml');
    mkdirSync(join(dirname(config), 'data'), { recursive: true });
    writeFileSync(join(dirname(config), 'host.sh'), 'echo host >>order\n');
    writeFileSync(join(dirname(config), 'builder.sh'), 'echo "builder $KEY" >>order\n');
    writeFileSync(join(dirname(config), 'data/f'), 'data\n');
    writeFileSync(join(dirname(config), 'tool'), '');
    chmodSync(join(dirname(config), 'tool'), 0o755);
    writeFileSync(
      config,
      `[hosts.h]
setup = "host.sh"
setup-files = ["data/f", "tool"]
[builders.b]
host = "h"
env = ["KEY=value"]
setup = "builder.sh"
`,
    );
    const { code, stderr } = await cli(['create', '--setup', path, 'b']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const all = await cli(['run', 'me-b-0', 'cat', 'all']);
    expect(all.stdout).toBe('host\nbuilder value\ndata\ngiven\n');
    expect((await cli(['once', '--no-push', 'b', '--', 'cat', 'order'])).stdout).toBe(
      'host\nbuilder value\n',
    );
  });

  it('runs the project’s own script here only if the user asks for that', async () => {
    const shop = workshop();
    const top = join(shop.directory, 'project');
    mkdirSync(top);
    writeFileSync(join(top, '.gomote.toml'), 'setup = "s.sh"\nsetup-files = ["deps"]\n');
    writeFileSync(join(top, 's.sh'), 'cat project/deps >found\n');
    writeFileSync(join(top, 'deps'), 'some\n');
    const create = async (...args: string[]) => {
      const ended = await ending(shop.start('gomote', ['create', ...args, 'local'], { cwd: top }));
      return { code: ended.code, stdout: ended.stdout.toString(), stderr: ended.stderr };
    };
    const refused = await create();
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/the setup of .*\.gomote\.toml would run on this machine/);
    const ls = async (name: string) => (await shop.gomote('ls', name)).stdout.toString();
    const without = (await create('--no-project')).stdout.trim();
    expect(await ls(without)).toBe('');
    const trusted = (await create('--backend', 'local')).stdout.trim();
    expect((await shop.gomote('run', trusted, 'cat', 'found')).stdout.toString()).toBe('some\n');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends the script on %s and leaves nothing', async (signal, code) => {
    const shop = workshop();
    const path = join(shop.directory, 'setup.sh');
    writeFileSync(path, 'echo begun; exec sleep 600\n');
    const child = shop.start('gomote', ['create', '--setup', path, 'local']);
    const ended = ending(child);
    if (child.stderr !== null) await once(child.stderr, 'data');
    child.kill(signal);
    expect(await ended).toMatchObject({ code });
    expect((await shop.gomote('list')).stdout.toString()).toBe('');
  });
});

it('gomote once keeps its setup as a run', async () => {
  const { cli, path } = cliWith('echo ready');
  const ended = await cli([
    'once',
    '--no-push',
    '--keep',
    'always',
    '--setup',
    path,
    'local',
    '--',
    'true',
  ]);
  expect(ended).toMatchObject({ code: 0, stdout: '' });
  const runs = await cli(['ps', '--json', 'me-local-0']);
  expect(JSON.parse(runs.stdout)).toHaveLength(2);
});

describe('the result of a setup', () => {
  const script = 'echo x >>"$COUNT"; mkdir deps; echo content >deps/file';

  it('is the start of the next buildlet with the same setup', async () => {
    const { cli, path } = cliWith('');
    writeFileSync(path, script.replace('"$COUNT"', `'${join(cli.directory, 'count')}'`));
    const count = () => readFileSync(join(cli.directory, 'count'), 'utf8').length / 2;
    const create = (...args: string[]) => cli(['create', '--setup', path, ...args, 'local']);
    expect(await create()).toMatchObject({ code: 0, stderr: '' });
    await cli(['run', 'me-local-0', 'rm', '-rf', 'deps']);
    const second = await create('--count', '2');
    expect(second).toMatchObject({ code: 0, stdout: 'me-local-1\nme-local-2\n' });
    expect(second.stderr).toContain('the setup was done before');
    expect(count()).toBe(1);
    expect((await cli(['run', 'me-local-2', 'cat', 'deps/file'])).stdout).toBe('content\n');
    expect(await create('--fresh-setup')).toMatchObject({ code: 0, stderr: '' });
    expect(count()).toBe(2);
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n: changed\n`);
    expect(await create()).toMatchObject({ code: 0, stderr: '' });
    expect(count()).toBe(3);
    expect(JSON.parse((await cli(['snapshot', 'list', '--json'])).stdout)).toMatchObject([
      { isAutomatic: true },
      { isAutomatic: true },
    ]);
  });

  it.skipIf(!hasBubblewrap)(
    'of a sandbox, whose HOME is not kept, is kept only on request',
    async () => {
      const { cli, path } = cliWith('echo content >file; echo lost >~/file');
      const create = (...args: string[]) =>
        cli(['create', '--setup', path, '--isolation', 'bubblewrap', ...args, 'local']);
      for (const args of [[], [], ['--keep-setup']]) {
        expect(await create(...args)).toMatchObject({ code: 0, stderr: '' });
      }
      const begun = await create('--keep-setup');
      expect(begun.stderr).toContain('the setup was done before');
      const name = begun.stdout.trim();
      expect((await cli(['run', name, 'cat', 'file'])).stdout).toBe('content\n');
    },
  );

  /** How a result is made unusable, and how many creates that costs. */
  const damage: [string, number, (directory: string) => void][] = [
    ['has no record', 0, (at) => rmSync(join(at, 'snapshot.json'))],
    ['has the record of a newer gomote', 0, (at) => rewriteRecord(at, { version: 2 })],
    ['has garbage for a record', 0, (at) => writeFileSync(join(at, 'snapshot.json'), '{"ver')],
    [
      'has a directory for a record',
      0,
      (at) => {
        rmSync(join(at, 'snapshot.json'));
        mkdirSync(join(at, 'snapshot.json'));
      },
    ],
    [
      'is a dangling link',
      0,
      (at) => {
        rmSync(at, { recursive: true });
        symlinkSync('nowhere', at);
      },
    ],
    ['is too old', 0, (at) => rewriteRecord(at, { created: '2020-01-01T00:00:00Z' })],
    ['has no archive', 1, (at) => rmSync(join(at, 'files.tgz'))],
    ['has half an archive', 1, (at) => truncateSync(join(at, 'files.tgz'), 40)],
  ];

  it.each(damage)('that %s is made again', async (_what, failures, spoil) => {
    const { cli, path } = cliWith('');
    writeFileSync(path, script.replace('"$COUNT"', `'${join(cli.directory, 'count')}'`));
    const count = () => readFileSync(join(cli.directory, 'count'), 'utf8').length / 2;
    const create = () => cli(['create', '--setup', path, 'local']);
    const store = join(cli.directory, '.local/state/gomote-snapshots');
    await create();
    const [tag = ''] = readdirSync(store);
    spoil(join(store, tag));
    const listed = await cli(['snapshot', 'list']);
    expect(listed).toMatchObject({ code: 0 });
    for (let i = 0; i < failures; i++) expect((await create()).code).toBe(1);
    expect(await create()).toMatchObject({ code: 0, stderr: '' });
    expect(count()).toBe(2);
    expect((await create()).stderr).toContain('the setup was done before');
    expect(count()).toBe(2);
  });

  it('is replaced by --fresh-setup', async () => {
    const { cli, path } = cliWith('');
    const input = join(cli.directory, 'input');
    writeFileSync(path, `cat '${input}' >file\n`);
    const create = async (...args: string[]) =>
      (await cli(['create', '--setup', path, ...args, 'local'])).stdout.trim();
    writeFileSync(input, 'old');
    await create();
    writeFileSync(input, 'new');
    await create('--fresh-setup');
    const name = await create();
    expect((await cli(['run', name, 'cat', 'file'])).stdout).toBe('new');
  });

  it('of a project is kept or not as its file says', async () => {
    const shop = workshop();
    const top = join(shop.directory, 'project');
    mkdirSync(top);
    writeFileSync(join(top, 's.sh'), 'echo made >made\n');
    const create = async (keep: string) => {
      writeFileSync(join(top, '.gomote.toml'), `setup = "s.sh"\n${keep}\n`);
      const args = ['create', '--backend', 'local', 'local'];
      return await ending(shop.start('gomote', args, { cwd: top }));
    };
    const kept = async () =>
      JSON.parse((await shop.gomote('snapshot', 'list', '--json')).stdout.toString()).length;
    expect(await create('keep-setup = false')).toMatchObject({ code: 0 });
    expect(await kept()).toBe(0);
    expect(await create('keep-setup = true')).toMatchObject({ code: 0, stderr: '' });
    expect(await kept()).toBe(1);
    expect((await create('keep-setup = true')).stderr).toContain('the setup was done before');
    writeFileSync(join(top, '.gomote.toml'), 'keep-setup = true\n');
    const without = await ending(shop.start('gomote', ['create', 'local'], { cwd: top }));
    expect(without.code).toBe(1);
    expect(without.stderr).toMatch(/\.gomote\.toml: keep-setup: true: there is no setup/);
  });

  it('of a setup that failed is not kept', async () => {
    const { cli, path } = cliWith('touch half; exit 1');
    await cli(['create', '--setup', path, 'local']);
    expect((await cli(['snapshot', 'list'])).stdout).toBe('');
  });
});
