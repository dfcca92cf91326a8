// What happens to commands and buildlets when somebody leaves.
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { processesWith, until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

let marks = 0;
const newMark = (): string => `gomote-e2e-${process.pid}-${marks++}`;

describe('a running command', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends with %s, with all processes that it started', async (signal, code) => {
    const { start, create } = workshop();
    const name = await create();
    const mark = newMark();
    const script = `sh -c 'trap "" TERM; while :; do sleep 1; done' ${mark} & echo started; wait`;
    const running = start('gomote', ['run', '--kill-after', '300ms', name, 'sh', '-c', script]);
    const ended = ending(running);
    await once(running.stdout!, 'data');
    running.kill(signal);
    expect(await ended).toMatchObject({ code });
    await until(() => processesWith(mark).length === 0);
  });

  it('that is interrupted three times is left running, at once', async () => {
    const { start, create } = workshop();
    const name = await create();
    // Nobody reads its output: the signals find it with bytes it cannot get rid of.
    const mark = newMark();
    const command = ['sh', '-c', 'trap "" INT TERM; cat /dev/zero; :', mark];
    const running = start('gomote', [
      'run',
      '--id',
      'stuck',
      '--kill-after',
      '1h',
      name,
      ...command,
    ]);
    const over = new Promise((resolve) => running.once('exit', (...how) => resolve(how)));
    let said = '';
    running.stderr!.on('data', (chunk) => {
      said += chunk;
    });
    await until(() => running.stdout!.readableLength > 0 || running.stdout!.read(1) !== null);
    running.kill('SIGINT');
    await until(() => said.includes('Ctrl-C again ends it'));
    running.kill('SIGINT');
    await until(() => said.includes('ending it'));
    running.kill('SIGINT');
    expect([
      [130, null],
      [null, 'SIGINT'],
    ]).toContainEqual(await over);
    // Its last words may be read after its exit is known.
    await until(() => said.includes(`gomote attach ${name} stuck`));
    expect(processesWith(mark)).not.toEqual([]);
    running.stdout!.destroy();
  });

  it('whose reader leaves ends quietly', async () => {
    const { run, create } = workshop();
    const name = await create();
    const mark = newMark();
    const line = `gomote run ${name} sh -c 'while :; do echo line; done' ${mark} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await run('bash', '-c', line);
    expect({ stdout: stdout.toString(), stderr }).toEqual({ stdout: 'line\n141\n', stderr: '' });
    await until(() => processesWith(mark).length === 0);
  });

  it('whose buildlet is killed is never a success', async () => {
    const { directory, start, create } = workshop();
    const name = await create();
    const running = start('gomote', ['run', name, 'sh', '-c', 'echo started; sleep 1000']);
    const ended = ending(running);
    const socket = join(directory, 'gomote', name, 'socket');
    await until(
      () => processesWith(socket).length > 0 && processesWith('sleep\x001000').length > 0,
    );
    for (const pid of processesWith(`unix:${socket}`)) process.kill(pid, 'SIGKILL');
    expect(await ended).toMatchObject({
      code: 125,
      stderr: expect.stringContaining(`the buildlet "${name}" has died`),
    });
  });
});

describe('a create', () => {
  it('with five commands at once gives five buildlets', async () => {
    const { gomote } = workshop();
    const made = await Promise.all(Array.from({ length: 5 }, () => gomote('create', 'local')));
    const names = made.map(({ stdout }) => stdout.toString().trim()).sort();
    expect(names).toEqual(Array.from({ length: 5 }, (_, i) => `me-local-${i}`));
    expect(await gomote('destroy', ...names)).toMatchObject({ code: 0, stderr: '' });
    expect((await gomote('list')).stdout.toString()).toBe('');
  });

  it('that is interrupted at any moment leaves nothing', async () => {
    const { directory, start } = workshop();
    for (const delayMs of [30, 75, 120, 165, 210]) {
      const creating = start('gomote', ['create', 'local']);
      const ended = ending(creating);
      setTimeout(() => creating.kill('SIGINT'), delayMs);
      const { code, stdout } = await ended;
      const name = stdout.toString().trim();
      if (code === 0) expect(name).toMatch(/^me-local-[0-9]$/);
      // A signal may come when all is done and only the process is left: a buildlet that was named is the caller's.
      if (name !== '') await ending(start('gomote', ['destroy', name]));
      const root = join(directory, 'gomote');
      expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
      await until(() => processesWith(join(root, 'me-local')).length === 0);
    }
  });
});

describe('the buildlet program', () => {
  const firstLine = async (
    child: ReturnType<ReturnType<typeof workshop>['start']>,
  ): Promise<string> => {
    let said = '';
    for await (const chunk of child.stdout!) {
      said += chunk;
      if (said.includes('\n')) break;
    }
    return said.trim();
  };

  it('prints its address, ends when it is idle, and leaves nothing', async () => {
    const { directory, start, environment } = workshop();
    mkdirSync(join(directory, 'tmp'));
    mkdirSync(join(directory, 'extra'));
    const env = {
      ...environment,
      TMPDIR: join(directory, 'tmp'),
      // Node keeps its cache of compiled code there too.
      NODE_DISABLE_COMPILE_CACHE: '1',
    };
    const child = start(
      'buildlet',
      ['--idle-timeout', '500ms', '--remove-at-end', join(directory, 'extra')],
      { env },
    );
    const over = new Promise((resolve) => child.once('exit', resolve));
    const address = await firstLine(child);
    expect(address).toMatch(/^unix:\//);
    const socket = connect(address.slice(5));
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(
      /^HTTP\/1\.1 200 OK\r\nGomote-Expires: \d{4}-[\s\S]*buildlet running on linux-/,
    );
    expect(await over).toBe(0);
    expect(readdirSync(join(directory, 'tmp'))).toEqual([]);
    expect(existsSync(join(directory, 'extra'))).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends in order on %s, and leaves a work directory that it was given',
    async (signal) => {
      const { directory, start } = workshop();
      mkdirSync(join(directory, 'work'));
      writeFileSync(join(directory, 'work/kept'), '');
      const child = start('buildlet', [
        '-listen',
        '127.0.0.1:0',
        '-workdir',
        join(directory, 'work'),
      ]);
      const over = new Promise((resolve) => child.once('exit', resolve));
      expect(await firstLine(child)).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
      child.kill(signal);
      expect(await over).toBe(0);
      expect(readdirSync(join(directory, 'work'))).toEqual(['kept']);
    },
  );

  it('warns when it is reached from elsewhere without TLS, and refuses without a password', async () => {
    const { directory, start, run } = workshop();
    expect(await run('buildlet', '--listen', '0.0.0.0:0')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('without a password'),
    });
    writeFileSync(join(directory, 'pw'), 'pw\n', { mode: 0o600 });
    const child = start('buildlet', ['--listen', '0.0.0.0:0', '--password-file', 'pw']);
    const ended = ending(child);
    child.stdout!.once('data', () => child.kill('SIGTERM'));
    expect((await ended).stderr).toContain(
      'buildlet: warning: the password and all data cross the network without TLS',
    );
  });

  it('reports in one line what is wrong with its arguments', async () => {
    const { run } = workshop();
    for (const argv of [['--bogus'], ['--listen', 'x'], ['--workdir', '/dev/null/x']]) {
      const { code, stderr } = await run('buildlet', ...argv);
      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/^buildlet: [^\n]+\n$/);
    }
  });
});
