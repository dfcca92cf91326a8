// Standard input and outputs belong to others, too; and a result that cannot be written is no success.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

const linux = process.platform === 'linux';
const nonBlocking = 0o4000;

/** What /proc tells of a descriptor's flags, in a file. */
const flagsIn = (text: string): number =>
  Number.parseInt(/^flags:\s*([0-7]+)/m.exec(text)?.[1] ?? '', 8);

describe.runIf(linux)('the descriptors that others share', () => {
  const remote = 'sh -c "echo up; echo up >&2; exec sleep 1000"';

  it.each([
    ['output', 1, `{ gomote run $N ${remote} & look 1; } 2>/dev/null | cat >up`],
    ['errors', 2, `{ gomote run $N ${remote} >/dev/null & look 2; } 2>&1 | cat >up`],
    ['input', 0, `sleep 1000 | { exec 4<&0; gomote run $N ${remote} <&4 >up 2>&1 & look 0; }`],
  ])('stay unchanged, also when gomote is killed: %s', async (_what, fd, line) => {
    const { directory, environment, start, create } = workshop();
    // A shell that has the same pipe looks at it.
    const look = `look() {
      until [ -s up ]; do sleep 0.05; done
      cat /proc/$BASHPID/fdinfo/$1 >first
      kill -9 $!
      wait $! 2>/dev/null
      cat /proc/$BASHPID/fdinfo/$1 >second
      touch over
    }`;
    const env = { ...environment, N: await create() };
    const shell = start('bash', ['-c', `${look}\n${line}`], { env, detached: true });
    await until(() => existsSync(join(directory, 'over')));
    // The one with `sleep` beside it goes on.
    spawnSync('kill', ['-9', '--', `-${shell.pid}`], { stdio: 'ignore' });
    for (const file of ['first', 'second']) {
      const flags = flagsIn(readFileSync(join(directory, file), 'utf8'));
      expect({ fd, file, isNonBlocking: (flags & nonBlocking) !== 0 }).toEqual({
        fd,
        file,
        isNonBlocking: false,
      });
    }
  });
});

describe('a signal', () => {
  const script = 'trap "" INT; echo up; read line; echo survived';

  it.runIf(linux).each([['HUP'], ['INT'], ['QUIT'], ['TERM'], ['HUP INT QUIT TERM']])(
    '%s that was ignored at the start stays ignored',
    async (names) => {
      const { start, create } = workshop();
      const name = await create();
      const client = start(
        'sh',
        ['-c', `trap '' ${names}; exec gomote run ${name} sh -c '${script}'`],
        {
          stdio: ['pipe', 'pipe', 'pipe'],
        },
      );
      const ended = ending(client);
      await new Promise((resolve) => client.stdout!.once('data', resolve));
      for (const signal of names.split(' ')) client.kill(`SIG${signal}` as NodeJS.Signals);
      client.stdin!.end('go on\n');
      expect(await ended).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('QUIT is passed on', async () => {
    const { start, create } = workshop();
    const name = await create();
    const remote = 'trap "echo quit; exit 7" QUIT; echo up; while :; do sleep 0.05; done';
    const client = start('gomote', ['run', name, 'sh', '-c', remote]);
    const ended = ending(client);
    await new Promise((resolve) => client.stdout!.once('data', resolve));
    client.kill('SIGQUIT');
    const { code, stdout } = await ended;
    expect([code, stdout.toString()]).toEqual([7, 'up\nquit\n']);
  });
});

describe.runIf(linux)('a result that cannot be written', () => {
  const outputs = [
    ['>/dev/full', 'standard output: no space left on device'],
    ['>&-', 'standard output: it is closed'],
  ] as const;
  const commands = [
    'version',
    '--version',
    '-h',
    'help list',
    'types',
    'whoami',
    'list',
    'list --json',
    'ps $N',
    'ps --json $N',
    'ls $N',
    'logs $N run',
    'get $N file -',
    'gettar $N',
    'run --detach $N true',
    'ping --status $N',
  ];

  it.each(outputs)('to %s is a failure that names it', async (to, message) => {
    const { run, create } = workshop();
    const name = await create();
    await run('gomote', 'run', '--id', 'run', name, 'sh', '-c', 'echo some; echo text >file');
    for (const command of commands) {
      const told = await run('bash', '-c', `N=${name}; gomote ${command} ${to}`);
      const code = command.startsWith('run') ? 125 : 1;
      expect({ command, code: told.code }).toEqual({ command, code });
      const isJson = command.includes('--json');
      const said = isJson ? JSON.parse(told.stderr).message : told.stderr;
      expect(said).toContain(message);
      expect(told.stderr).toMatch(isJson ? /^[^\n]+\n$/ : /^gomote: [^\n]+\n$/);
    }
    const told = await run('bash', '-c', `gomote run ${name} echo hello ${to}`);
    expect(told).toMatchObject({ code: 125, stderr: `gomote: ${message}\n` });
    expect(await run('bash', '-c', `gomote run ${name} true ${to}`)).toMatchObject({ code: 0 });
  });

  it.each(outputs)('to %s destroys the buildlet of create', async (to, message) => {
    const { run, gomote } = workshop();
    const told = await run('bash', '-c', `gomote create --count 2 local ${to}`);
    expect(told).toMatchObject({ code: 1, stderr: `gomote: ${message}\n` });
    expect((await gomote('list')).stdout.toString()).toBe('');
  });

  it('to a closed pipe destroys the buildlet of create', async () => {
    const { run, gomote } = workshop();
    const told = await run('bash', '-c', 'set -o pipefail; gomote create local | :');
    expect(told).toMatchObject({ code: 141, stderr: '' });
    expect((await gomote('list')).stdout.toString()).toBe('');
  });
});
