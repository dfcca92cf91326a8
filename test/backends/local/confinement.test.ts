// Local buildlets whose commands are confined, by the command line and by configuration.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBubblewrap } from '../../helpers/bubblewrap.ts';
import { type Cli, testCli } from '../../helpers/cli.ts';
import { processesWith, until } from '../../helpers/processes.ts';

function configure(cli: Cli, toml: string): void {
  mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true, mode: 0o700 });
  writeFileSync(join(cli.directory, 'config/gomote/config.toml'), toml, { mode: 0o600 });
}

async function create(cli: Cli, ...options: string[]): Promise<string> {
  const { stdout, stderr } = await cli(['create', ...options, 'local']);
  expect(stderr).toBe('');
  return stdout.trim();
}

const statusOf = async (cli: Cli, name: string) =>
  JSON.parse((await cli(['ping', '--status', name])).stdout);

describe.skipIf(!hasBubblewrap)('a local buildlet', () => {
  it('is confined on request, and reports it', async () => {
    const cli = testCli();
    const name = await create(cli, '--isolation', 'bubblewrap');
    expect(await statusOf(cli, name)).toMatchObject({
      isolation: 'bubblewrap',
      network: 'host',
      limits: [],
    });
    const other = await create(cli);
    expect(await statusOf(cli, other)).toMatchObject({ isolation: 'none' });
    const look = `ls -A ${cli.directory} ${cli.directory}/gomote; cat ${cli.directory}/gomote/*/password; ls -A ~`;
    const { stdout, code } = await cli(['run', name, 'sh', '-c', `${look}; exit 7`]);
    expect(code).toBe(7);
    expect(stdout).not.toContain('password');
    expect(stdout).not.toContain(other);
  });

  it('has its forwarded ports connected to from here only when it is not confined', async () => {
    const cli = testCli();
    const recordOf = (name: string) =>
      JSON.parse(readFileSync(join(cli.directory, 'gomote', name, 'record.json'), 'utf8'));
    const known: unknown[] = [];
    for (const options of [[], ['--isolation', 'bubblewrap']]) {
      known.push(recordOf(await create(cli, ...options)).isUnconfined);
    }
    expect(known).toEqual([true, false]);
  });

  it('takes a push, gives a pull, and keeps the streams and statuses of runs, by name and by copy', async () => {
    const cli = testCli();
    const name = await create(cli, '--isolation', 'bubblewrap');
    const tree = join(cli.directory, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'in'), 'x'.repeat(1 << 20));
    expect((await cli(['push', '--dest', 'src', name, tree])).code).toBe(0);
    const script = 'wc -c < in; cat in > out; echo oops >&2; exit 3';
    expect(await cli(['run', '--dir', 'src', name, 'sh', '-c', script])).toEqual({
      code: 3,
      stdout: '1048576\n',
      stderr: 'oops\n',
    });
    const large = await cli(['run', '--dir', 'src', name, 'cat', 'in', 'out']);
    expect(large.bytes.length).toBe(2 << 20);
    const back = join(cli.directory, 'back');
    expect(await cli(['pull', name, 'src', back])).toMatchObject({ code: 0 });
    expect(readFileSync(join(back, 'out'), 'utf8')).toHaveLength(1 << 20);
  });

  it('lists, kills and destroys its runs as any other', async () => {
    const cli = testCli();
    const name = await create(cli, '--isolation', 'bubblewrap');
    const { stdout: id } = await cli(['run', '--detach', name, 'sleep', '1000']);
    expect((await cli(['ps', name])).stdout).toContain('sleep 1000');
    await cli(['kill', name, id.trim()]);
    expect((await cli(['wait', name, id.trim()])).code).toBe(143);
    await cli(['run', '--detach', name, 'sleep', '1001']);
    expect(await cli(['destroy', name])).toMatchObject({ code: 0 });
    await until(() => !readdirSync(cli.directory).some((file) => file.startsWith(name)));
    expect(existsSync(join(cli.directory, 'gomote', name))).toBe(false);
  });

  it('that is killed leaves no process of its sandbox', async () => {
    const cli = testCli();
    const name = await create(cli, '--isolation', 'bubblewrap');
    const mark = randomBytes(8).toString('hex');
    const hidden = `setsid env -i sh -c 'trap "" TERM HUP; while :; do sleep 1; done' ${mark}`;
    await cli(['run', name, 'sh', '-c', `${hidden} </dev/null >/dev/null 2>&1 &`]);
    await until(() => processesWith(mark).length > 0);
    const record = readFileSync(join(cli.directory, 'gomote', name, 'record.json'), 'utf8');
    process.kill(JSON.parse(record).pid, 'SIGKILL');
    await until(() => processesWith(mark).length === 0);
    expect((await cli(['destroy', name])).code).toBe(0);
  });

  it('is configured by the host type before the backend, and by the command line before both', async () => {
    const cli = testCli();
    const shown = join(cli.directory, 'shown');
    const shared = join(cli.directory, 'shared');
    mkdirSync(shown);
    mkdirSync(shared);
    writeFileSync(join(shown, 'file'), 'seen');
    configure(
      cli,
      `[backends.local]
       kind = "local"
       isolation = "bubblewrap"
       network = "none"
       writable-paths = ["${shared}"]
       memory = "1g"
       [hosts.plain.local]
       isolation = "none"
       [builders.plain]
       host = "plain"
       [hosts.walled.local]
       network = "host"
       read-only-paths = ["${shown}"]
       cpus = 1.5
       [builders.walled]
       host = "walled"`,
    );
    const statusWith = async (...options: string[]) => {
      const { stdout, stderr } = await cli(['create', ...options]);
      expect(stderr).toBe('');
      return { name: stdout.trim(), ...(await statusOf(cli, stdout.trim())) };
    };
    const limited = { resource: 'memory', limit: 1 << 30 };
    expect(await statusWith('local')).toMatchObject({
      isolation: 'bubblewrap',
      network: 'none',
      limits: [limited],
    });
    expect(await statusWith('plain')).toMatchObject({ isolation: 'none', network: 'none' });
    const walled = await statusWith('walled');
    expect(walled).toMatchObject({
      isolation: 'bubblewrap',
      network: 'host',
      limits: [limited, { resource: 'cpus', limit: 1.5 }],
    });
    expect((await cli(['run', walled.name, 'cat', join(shown, 'file')])).stdout).toBe('seen');
    expect(await statusWith('--network', 'none', '--memory', '2g', 'walled')).toMatchObject({
      network: 'none',
      limits: [{ resource: 'memory', limit: 2 * (1 << 30) }, { resource: 'cpus' }],
    });
    expect(await statusWith('--isolation', 'none', 'walled')).toMatchObject({ isolation: 'none' });
  });

  it('reports what really enforces a limit, and holds a process to it', async () => {
    const cli = testCli();
    const name = await create(cli, '--isolation', 'bubblewrap', '--memory', '300m');
    const { limits } = await statusOf(cli, name);
    expect(limits).toEqual([
      { resource: 'memory', limit: 300 << 20, by: expect.stringMatching(/^(cgroup|process)$/) },
    ]);
    const { code } = await cli(['run', name, 'sh', '-c', 'head -c 1G /dev/zero | tail']);
    expect(code).not.toBe(0);
  });

  it.each([['none'], ['bubblewrap']])(
    'with isolation %s finds the program that it puts before a command, whatever the PATH of the command',
    async (isolation) => {
      const cli = testCli();
      const fakes = join(cli.directory, 'fakes');
      mkdirSync(fakes);
      for (const name of ['prlimit', 'nsenter', 'sh']) {
        writeFileSync(join(fakes, name), '#!/bin/sh\necho fake\n', { mode: 0o755 });
      }
      const name = await create(cli, '--isolation', isolation, '--memory', '1g');
      for (const path of ['/nonexistent', fakes]) {
        for (const options of [
          ['-e', `PATH=${path}`],
          ['--path', path],
          ['-firewall', '--path', path],
        ]) {
          const { code, stdout, stderr } = await cli([
            'run',
            ...options,
            name,
            '/bin/echo',
            'hello',
          ]);
          expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
        }
      }
    },
  );
});

describe('create refuses', () => {
  it.each([
    [['--isolation', 'jail'], /jail/],
    [['--network', 'bridge'], /"bridge" is for containers only/],
  ])('%s for a local buildlet', async (options, reason) => {
    const cli = testCli();
    const { code, stderr } = await cli(['create', ...options, 'local']);
    expect(code).toBe(2);
    expect(stderr).toMatch(reason);
  });

  it('to confine where there is no bubblewrap, and explains what to do', async () => {
    const cli = testCli();
    const environment = { PATH: join(cli.directory, 'empty') };
    const { code, stderr } = await cli(['create', '--isolation', 'bubblewrap', 'local'], {
      environment,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /commands cannot be confined: bwrap is not installed.*isolation = "none"/s,
    );
    expect((await cli(['list'])).stdout).toBe('');
  });
});

describe.skipIf(!hasBubblewrap)('a run without a network', () => {
  it.each([
    [
      'by its own wish, in a sandbox',
      ['--isolation', 'bubblewrap'],
      ['-e', 'GO_DISABLE_OUTBOUND_NETWORK=1'],
    ],
    ['by its own wish, in the open', [], ['-e', 'GO_DISABLE_OUTBOUND_NETWORK=true']],
    ['by the option for it, in the open', [], ['--firewall']],
    ['by Go’s spelling of that', [], ['-firewall']],
    [
      'as all of its buildlet, in a sandbox',
      ['--isolation', 'bubblewrap', '--network', 'none'],
      [],
    ],
    ['as all of its buildlet, in the open', ['--network', 'none'], []],
  ])('has only a loopback and reports so in its status: %s', async (_case, options, wish) => {
    const cli = testCli();
    const name = await create(cli, ...options);
    const file = join(cli.directory, 'status.json');
    const run = (...args: string[]) => cli(['run', '--status-json', file, ...args]);
    const { stdout, code } = await run(
      ...wish,
      name,
      'sh',
      '-c',
      'tail -n +3 /proc/net/dev; exit 5',
    );
    expect(code).toBe(5);
    expect(stdout).toMatch(/^\s*lo:[^\n]*\n$/);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ code: 5, network: 'none' });
    if (wish.length === 0) return;
    await run('-e', 'GO_DISABLE_OUTBOUND_NETWORK=false', name, 'true');
    expect(JSON.parse(readFileSync(file, 'utf8'))).not.toHaveProperty('network');
  });
});
