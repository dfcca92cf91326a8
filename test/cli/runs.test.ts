// The runs of a buildlet, by the commands that list them, wait for them and signal them.
import { describe, expect, it } from 'vitest';
import { cliWithBuildlet } from '../helpers/cli-buildlet.ts';
import { until } from '../helpers/processes.ts';

async function atBuildlet() {
  const { cli, name } = await cliWithBuildlet();
  const begin = async (id: string, script: string) => {
    await cli(['run', '--detach', '--id', id, name, 'sh', '-c', script]);
    return id;
  };
  /** The rows of `ps`, without the time that each has taken. */
  const rows = async () =>
    (await cli(['ps', name])).stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'))
      .map(([id, state, _time, command]) => ({ id, state, command }));
  return { cli, name, begin, rows };
}

describe('gomote ps', () => {
  it('lists running and finished runs, with tabs between columns for programs', async () => {
    const { cli, name, begin, rows } = await atBuildlet();
    expect(await rows()).toEqual([]);
    await begin('a', 'exit 3');
    await cli(['wait', name, 'a']);
    await begin('b', "sleep 1000 # it's\tlong");
    expect(await rows()).toEqual([
      { id: 'a', state: 'exit 3', command: "sh -c 'exit 3'" },
      { id: 'b', state: 'detached', command: "sh -c $'sleep 1000 # it\\'s\\tlong'" },
    ]);
  });

  it('lists aligned columns on a terminal', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('short', 'exit 0');
    await begin('much-longer', 'exit 0');
    await cli(['wait', name, 'short', 'much-longer']);
    expect((await cli(['ps', name], { isTerminal: true })).stdout).toMatch(
      /^ID +STATE +TIME +CPU +MEMORY +STARTED +COMMAND\nshort {8}exit 0 {2}\S+ +\S+ +\S.* +\S+ ago +sh -c 'exit 0'\nmuch-longer {2}exit 0 {2}\S+ +\S+ +\S.* +\S+ ago +sh -c 'exit 0'\n$/,
    );
  });

  it.each([
    ['kill -SEGV $$', 'SIGSEGV'],
    ['exec /nowhere/at/all', 'exit 127'],
  ])('reports how %j ended', async (script, state) => {
    const { cli, name, begin, rows } = await atBuildlet();
    await begin('it', script);
    await cli(['wait', name, 'it']);
    expect(await rows()).toMatchObject([{ state }]);
  });

  it('reports a run that did not start, and one that exceeded its time', async () => {
    const { cli, name, rows } = await atBuildlet();
    await cli(['run', '--id', 'one', name, 'no-such-command']);
    await cli(['run', '--id', 'two', '--timeout', '20ms', name, 'sleep', '1000']);
    expect(await rows()).toMatchObject([
      { state: 'not started: exec: "no-such-command": executable file not found in $PATH' },
      { state: 'SIGTERM (timeout)' },
    ]);
  });

  it('prints JSON', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('it', 'echo hi; exit 3');
    await cli(['wait', name, 'it']);
    const [run] = JSON.parse((await cli(['ps', '--json', name])).stdout);
    expect(run).toMatchObject({
      id: 'it',
      state: 'exit 3',
      command: ['sh', '-c', 'echo hi; exit 3'],
      running: false,
      tty: false,
      end: { code: 3, signal: null, why: 'exit', stdout: { bytes: 3 } },
    });
  });
});

describe('gomote wait', () => {
  it('ends when the run does, with its status', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('it', 'while [ ! -e go ]; do sleep 0.01; done; exit 3');
    const waiting = cli(['wait', name, 'it']);
    await cli(['run', name, 'touch', 'go']);
    expect(await waiting).toEqual({ code: 3, stdout: '', stderr: '' });
    expect(await cli(['wait', name, 'it'])).toEqual({ code: 3, stdout: '', stderr: '' });
  });

  it('of several gives the status of the first that failed', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('well', 'exit 0');
    await begin('slow', 'sleep 0.1; exit 4');
    await begin('quick', 'exit 5');
    expect((await cli(['wait', name, 'well', 'slow', 'quick'])).code).toBe(4);
    expect((await cli(['wait', name, 'quick', 'slow'])).code).toBe(5);
    expect((await cli(['wait', name, 'well', 'well'])).code).toBe(0);
  });

  it('reports what ended a run, and which run', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('it', 'kill -KILL $$');
    expect(await cli(['wait', name, 'it'])).toEqual({
      code: 137,
      stdout: '',
      stderr: 'gomote: it: the command ended by SIGKILL\n',
    });
  });

  it('ends with 125 for a run that nobody knows, and reports all others', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('known', 'exit 3');
    const { code, stderr } = await cli(['wait', name, 'none', 'known', 'other']);
    expect(code).toBe(125);
    expect(stderr).toContain('has no run "none"');
    expect(stderr).toContain('other: ');
  });

  it('that is interrupted leaves the run alone', async () => {
    const { cli, name, begin, rows } = await atBuildlet();
    await begin('it', 'sleep 1000');
    const controller = new AbortController();
    const waiting = cli(['wait', name, 'it'], {
      interrupt: { signal: controller.signal, received: 'SIGINT' },
    });
    controller.abort();
    expect(await waiting).toEqual({ code: 130, stdout: '', stderr: '' });
    expect(await rows()).toMatchObject([{ id: 'it', state: 'detached' }]);
  });
});

describe('gomote kill', () => {
  it.each([
    [[], 'SIGTERM', 143],
    [['-s', 'INT'], 'SIGINT', 130],
    [['-s', 'SIGKILL'], 'SIGKILL', 137],
    [['-s', 'usr1'], 'SIGUSR1', 138],
    [['-s', '10'], 'SIGUSR1', 138],
  ])('with %j sends %s', async (options, signal, status) => {
    const { cli, name, begin, rows } = await atBuildlet();
    await begin('it', 'exec sleep 1000');
    expect(await cli(['kill', ...options, name, 'it'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect((await cli(['wait', name, 'it'])).code).toBe(status);
    const [run] = await rows();
    expect(run?.state).toContain(signal);
  });

  it('sends the signal to the whole process group', async () => {
    const { cli, name, begin, rows } = await atBuildlet();
    await begin('it', 'sleep 1000 | sleep 1000; echo; sleep 1000');
    await cli(['kill', name, 'it']);
    await cli(['wait', name, 'it']);
    expect(await rows()).toMatchObject([{ state: expect.stringContaining('SIGTERM') }]);
  });

  it('reports which of several runs it could not reach, and reaches the others', async () => {
    const { cli, name, begin } = await atBuildlet();
    await begin('over', 'exit 0');
    await cli(['wait', name, 'over']);
    await begin('it', 'sleep 1000');
    const { code, stderr } = await cli(['kill', name, 'over', 'none', 'it']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^gomote: 2 of 3 got no SIGTERM: .*"over" has ended; .*has no run "none"\n$/,
    );
    expect((await cli(['wait', name, 'it'])).code).toBe(143);
  });

  it('refuses a value that is not a signal', async () => {
    const { cli } = await atBuildlet();
    expect(await cli(['kill', '-s', 'HELLO', 'x', 'y'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'gomote: -s "HELLO" is not a signal; give one such as INT, TERM or KILL\n',
    });
  });
});

describe('gomote shell', () => {
  it('reads its commands from standard input without a terminal, in the work directory, and gives the status', async () => {
    const { cli, name } = await atBuildlet();
    const environment = ['-e', 'SHELL=/bin/sh'];
    const { stdout: workDir } = await cli(['run', name, 'pwd']);
    const stdin = [Buffer.from('pwd\ntest -t 0 || echo no terminal\n'), Buffer.from('exit 3\n')];
    expect(await cli(['shell', ...environment, name], { stdin })).toEqual({
      code: 3,
      stdout: `${workDir}no terminal\n`,
      stderr: '',
    });
  });

  it.each(['shell', 'ssh'])(
    'with %s runs a line as ssh does, its words joined',
    async (command) => {
      const { cli, name } = await atBuildlet();
      expect(await cli([command, name, 'echo $((1 + 1));', 'exit', '4'])).toEqual({
        code: 4,
        stdout: '2\n',
        stderr: '',
      });
      expect((await cli([command, name, 'ls', '-d', '/'])).stdout).toBe('/\n');
    },
  );

  it('runs the shell of the remote user, else sh', async () => {
    const { cli, name } = await atBuildlet();
    const shell = async (value: string) =>
      (await cli(['shell', '-e', `SHELL=${value}`, name, 'echo $BASH'])).stdout;
    expect(await shell('/bin/bash')).toBe('/bin/bash\n');
    expect(await shell('/no/such/shell')).not.toContain('/no/such');
    expect((await cli(['shell', '-e', 'SHELL=/no/such', name, 'exit 6'])).code).toBe(6);
  });

  it('types standard input to a requested terminal, and then ^D', async () => {
    const { cli, name } = await atBuildlet();
    const { code, stdout } = await cli(
      ['run', '-t', name, 'sh', '-c', 'stty -echo; echo ready; cat; exit 5'],
      { stdin: ['one\n', 'two'] },
    );
    expect({ code, stdout: stdout.replace(/^.*ready\r\n/s, '') }).toEqual({
      code: 5,
      stdout: expect.stringContaining('one\r\ntwo'),
    });
  });
});

describe('a run on a terminal that nobody watches', () => {
  it('continues, and can be waited for', async () => {
    const { cli, name, rows } = await atBuildlet();
    await cli(['run', '-t', '--detach', '--id', 'it', name, 'sh', '-c', 'test -t 1 && exit 9']);
    expect((await cli(['wait', name, 'it'])).code).toBe(9);
    await until(async () => (await rows())[0]?.state === 'exit 9');
  });
});
