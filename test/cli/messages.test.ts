// What is said of what was typed: what failed, the value as it was given, and what to do next.
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';

interface Row {
  /** `N` stands for a buildlet, which has a run `longid` that has ended. */
  typed: string;
  code: number;
  says: string[];
  environment?: NodeJS.ProcessEnv;
}

const rows: Row[] = [
  // Commands.
  { typed: 'exec N true', code: 2, says: ["unknown command 'exec'", 'Did you mean run?'] },
  { typed: 'cp a N', code: 2, says: ['neither "a" nor "N" is on a buildlet', 'NAME:PATH'] },
  { typed: 'lst', code: 2, says: ['Did you mean list?'] },
  { typed: 'help nosuch', code: 2, says: ["unknown command 'nosuch'", 'gomote -h'] },
  {
    typed: 'ping N b',
    code: 2,
    says: ["'ping': expected 1 argument but got 2; see gomote ping -h"],
  },
  // Names.
  { typed: 'create loacl', code: 1, says: ['"loacl"', 'did you mean "local"?'] },
  {
    typed: 'list --backend locl',
    code: 1,
    says: ['gomote: unknown backend "locl"; did you mean "local"?'],
  },
  {
    typed: 'run locl/N true',
    code: 125,
    says: ['unknown backend "locl"', 'did you mean "local"?'],
  },
  // Values of options.
  { typed: 'run -t -T N true', code: 125, says: ['-t and -T contradict', 'give one'] },
  { typed: 'shell -T -t N', code: 125, says: ['-T and -t contradict'] },
  { typed: 'run --status-json fd:abc N true', code: 125, says: ['--status-json "fd:abc"', 'fd:3'] },
  { typed: 'run --status-json fd: N true', code: 125, says: ['--status-json "fd:"'] },
  {
    typed: 'run --timeout soon N true',
    code: 125,
    says: ['--timeout "soon" is not a duration', '10m'],
  },
  {
    typed: 'run --dir .. N true',
    code: 125,
    says: ['the directory ".." leaves the work directory', 'relative'],
  },
  { typed: 'run --dir a/../../b N true', code: 125, says: ['the directory "a/../../b"'] },
  { typed: 'run N ../x', code: 125, says: ['"../x" leaves the work directory'] },
  { typed: 'pull N ../x', code: 1, says: ['"../x" leaves the work directory'] },
  { typed: 'push --dest ../up N .', code: 1, says: ['--dest "../up" leaves the work directory'] },
  { typed: 'pull N . /dev/null', code: 1, says: ['pull into "/dev/null": not a directory'] },
  { typed: 'pull N . /dev/null/x', code: 1, says: ['into "/dev/null/x": not a directory'] },
  { typed: 'rm N ../caf\udce9', code: 1, says: ['"../caf\\xe9" leaves the work directory'] },
  // What does not start.
  { typed: 'run N ./nosuch', code: 127, says: ['gomote: cannot start ./nosuch: no such file or'] },
  { typed: 'run N nosuch', code: 127, says: ['gomote: cannot start nosuch: executable file not'] },
  { typed: 'run --detach N ./nosuch', code: 127, says: ['gomote: cannot start ./nosuch: no such'] },
  { typed: 'run N /etc/passwd', code: 126, says: ['gomote: cannot start /etc/passwd: permission'] },
  {
    typed: 'run --dir no N true',
    code: 125,
    says: ['gomote: cannot start true: chdir no: no such'],
  },
  { typed: 'ls N /tmp', code: 1, says: ['"/tmp" leaves the work directory'] },
  { typed: 'ls N a/../..', code: 1, says: ['"a/../.."'] },
  { typed: 'logs --tail -1 N longid', code: 2, says: ['--tail "-1"'] },
  ...[
    '[',
    'a[',
    '[!',
    '',
    '!',
    '/',
    '\\',
    'a\\',
    '[z-a]',
    '../b',
    'a/../b',
    './a',
    'a//b',
    '#a',
  ].flatMap((pattern): Row[] =>
    ['push', 'pull'].map((command) => ({
      typed: `${command} --exclude ${pattern} N`,
      code: 2,
      says: [`--exclude "${pattern}" `, 'as in a .gitignore'],
    })),
  ),
  { typed: 'push --watch --dry-run N', code: 2, says: ['--watch and --dry-run contradict'] },
  { typed: 'pull --force --keep-both N', code: 2, says: ['--force and --keep-both'] },
  {
    typed: 'puttar N https://h/x.tgz',
    code: 2,
    says: ['"https://h/x.tgz" is a URL', 'give --url https://h/x.tgz'],
  },
  { typed: 'puttar N -', code: 1, says: ['standard input is empty'] },
  // Paths.
  ...['nosuch', 'src/x', 'file/x'].flatMap((path): Row[] => {
    const reason = path.startsWith('file') ? 'not a directory' : 'no such file or directory';
    return [`ls N ${path}`, `get N ${path}`, `gettar -o out --dir ${path} N`].map((typed) => ({
      typed,
      code: 1,
      says: [`N: ${reason}: ${path}; see gomote ls N`],
    }));
  }),
  { typed: 'get N dir out', code: 1, says: ['N: is a directory: dir; gomote pull'] },
  { typed: 'rm N nosuch', code: 0, says: ['N: nosuch: no such file or directory'] },
  { typed: 'rm N file/x', code: 0, says: ['N: file/x: no such file or directory'] },
  { typed: 'put N ../x', code: 1, says: ['cannot read "../x": no such file or directory'] },
  { typed: 'put N /etc/passwd ../x', code: 1, says: ['the destination "../x" leaves'] },
  {
    typed: 'get N /etc/passwd',
    code: 1,
    says: ['the file "/etc/passwd" leaves the work directory'],
  },
  // Limits.
  {
    typed: 'run --timeout 1ms N sleep 100',
    code: 124,
    says: ['ran out of time after 1ms (--timeout)'],
  },
  { typed: 'run --timeout 1s N sleep 100', code: 124, says: ['after 1s (--timeout)'] },
  { typed: 'run --idle-timeout 1ms N sleep 100', code: 124, says: ['for 1ms (--idle-timeout)'] },
  // Runs.
  ...['attach', 'wait', 'logs', 'kill'].flatMap((command): Row[] => {
    const code = command === 'attach' || command === 'wait' ? 125 : 1;
    return [
      { typed: `${command} N nosuch`, code, says: ['has no run "nosuch"; see gomote ps'] },
      { typed: `${command} N longdi`, code, says: ['did you mean "longid"?'] },
      {
        typed: `${command} N l`,
        code,
        says: ['"l" is the beginning of several runs', 'longid, lastid'],
      },
    ];
  }),
  { typed: 'kill -9 N longid', code: 1, says: ['run "longid" has ended'] },
  { typed: 'kill -KILL N long', code: 1, says: ['run "longid" has ended'] },
  { typed: 'kill -s 0 N longid', code: 1, says: ['run "longid" has ended'] },
  { typed: 'kill -s NOSUCH N longid', code: 2, says: ['-s "NOSUCH" is not a signal'] },
  { typed: 'kill -s RTMIN+1 N longid', code: 2, says: ['real-time signal'] },
  { typed: 'kill -34 N longid', code: 2, says: ['real-time signal'] },
];

describe('a command line', () => {
  it('that is wrong is answered by one line that names the cure', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    for (const id of ['longid', 'lastid']) {
      expect(await cli(['run', '--id', id, name, 'true'])).toMatchObject({ code: 0 });
    }
    await cli(['run', name, 'sh', '-c', 'mkdir dir; echo x >file']);
    const named = (text: string) => text.replaceAll(/(?<![\w-])N(?![\w-])/g, name);
    for (const { typed, code, says, environment } of rows) {
      const argv = typed.split(' ').map(named);
      const told = await cli(argv, { environment: environment ?? {} });
      expect({ typed, code: told.code, stdout: told.stdout }).toEqual({ typed, code, stdout: '' });
      expect(told.stderr, typed).toMatch(code === 0 ? /^[^\n]+\n$/ : /^gomote: [^\n]+\n$/);
      for (const part of says) expect(told.stderr, typed).toContain(named(part));
    }
  });

  it('may give 0 for no limit, and with --kill-after for at once', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    for (const option of ['--timeout', '--idle-timeout', '--kill-after']) {
      for (const zero of ['0', '0s']) {
        expect(await cli(['run', option, zero, name, 'true'])).toMatchObject({
          code: 0,
          stderr: '',
        });
      }
    }
  });

  it('may give the beginning of an id in place of the id', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    await cli(['run', '--id', 'longid', name, 'echo', 'hello']);
    expect(await cli(['attach', name, 'lo'])).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
    expect(await cli(['logs', name, 'l'])).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect(await cli(['logs', '--tail', '0', name, 'l'])).toMatchObject({ code: 0, stdout: '' });
    await cli(['run', '--detach', '--id', 'other', name, 'sleep', '1000']);
    expect(await cli(['kill', '-s', '0', name, 'oth'])).toMatchObject({ code: 0 });
    expect(await cli(['kill', '-KILL', name, 'oth'])).toMatchObject({ code: 0 });
    expect(await cli(['wait', name, 'oth'])).toMatchObject({ code: 137 });
  });

  it('for a buildlet that died reports its state, and reap removes the buildlet', async () => {
    const cli = testCli();
    expect(await cli(['reap'])).toEqual({
      code: 0,
      stdout: '',
      stderr: 'gomote: nothing to remove\n',
    });
    const name = (await cli(['create', 'local'])).stdout.trim();
    const other = (await cli(['create', 'local'])).stdout.trim();
    const { stdout: pid } = await cli(['run', name, 'sh', '-c', 'echo $PPID']);
    process.kill(Number(pid), 'SIGKILL');
    await until(async () => (await cli(['list'])).stdout.includes(`${name}\tlocal\tdied`));
    const reaped = await cli(['reap']);
    expect(reaped).toMatchObject({ code: 0, stderr: '' });
    expect(reaped.stdout).toContain(name);
    expect((await cli(['list'])).stdout).toMatch(new RegExp(`^${other}\t.*\n$`));
    // Another number is no misspelling.
    const { stderr } = await cli(['ping', name]);
    expect(stderr).toContain(`no local buildlet "${name}"; it may have expired`);
    expect((await cli(['ping', other.replace('local', 'locl')])).stderr).toContain(
      `did you mean "${other}"?`,
    );
  });

  it('without a command prints help, and is wrong usage', async () => {
    const { code, stdout, stderr } = await testCli()([]);
    expect([code, stderr]).toEqual([2, 'gomote: no command given; see gomote -h\n']);
    expect(stdout).toContain('Usage: gomote');
  });

  it.each([
    ['DOM\\me', 'DOM-me'],
    ['me@example.com', 'me-example.com'],
    ['jürgen', 'jurgen'],
    ['Weiß', 'Weiss'],
    ['a b', 'a-b'],
  ])('of the system’s user %s has the user %s', async (system, user) => {
    const { stdout } = await testCli()(['whoami'], { environment: { USER: system } });
    expect(stdout).toBe(`local\t${user}\n`);
  });
});

describe('ls', () => {
  it('names a file as it was given, and has a header on a terminal', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    await cli([
      'run',
      name,
      'sh',
      '-c',
      'mkdir d e; echo x >d/f; echo x >"e/	tab	"; ln -s f d/link',
    ]);
    expect((await cli(['ls', name, 'd/f'])).stdout).toMatch(/^-rw\S+\td\/f\t2\t\S+Z\n$/);
    expect((await cli(['ls', name, 'e'])).stdout).toMatch(/^-rw\S+\t\ttab\t\t2\t\S+Z\n$/);
    expect((await cli(['ls', name])).stdout).toMatch(/^drwx\S+\td\/\ndrwx\S+\te\/\n$/);
    const shown = await cli(['ls', name, 'd'], { isTerminal: true });
    expect(shown.stdout).toMatch(
      /^MODE +NAME +SIZE +TIME\n-rw\S+ {2}f +2 +\S+Z\nLrwx\S+ {2}link.*\n$/,
    );
  });
});
