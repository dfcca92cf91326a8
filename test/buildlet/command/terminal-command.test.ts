// A command on a terminal: what it sees, what it writes, how it ends.
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { type PreparedCommand, prepareCommand } from '../../../src/buildlet/command/command.ts';
import { PipeStock } from '../../../src/buildlet/command/output-pipe.ts';
import { startTerminalCommand } from '../../../src/buildlet/command/terminal-command.ts';
import { processesMarked, until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const size = { term: 'xterm', columns: 100, rows: 30 };

async function start(script: string) {
  const workDir = temporaryDirectory();
  const host = {
    workDir,
    environment: { PATH: process.env.PATH ?? '' },
    pipes: new PipeStock(workDir),
  };
  const request = {
    cmd: 'sh',
    args: ['-c', script],
    systemLevel: true,
    dir: '',
    env: [],
    path: undefined,
    debug: false,
  };
  const prepared = (await prepareCommand(request, host)) as PreparedCommand;
  const command = await startTerminalCommand(prepared, size);
  if ('notStarted' in command) throw new Error(command.notStarted);
  const resize = (columns: number, rows: number) => command.resize?.(columns, rows);
  return { ...command, stdin: command.stdin!, resize, mark: prepared.mark, workDir };
}

describe('a command on a terminal', () => {
  it('has its size and type, leads a session, and gets no variable of the buildlet', async () => {
    const { stdout, exited, workDir } = await start(
      'stty size; tty; echo $TERM; env | sort; pwd; test -t 0 && test -t 1 && test -t 2',
    );
    expect(await text(stdout)).toMatch(
      new RegExp(
        `^30 100\r\n/dev/pts/\\d+\r\nxterm\r\nGOMOTE_COMMAND=.*\r\nPATH=.*\r\nPWD=${workDir}\r\nTERM=xterm\r\n${workDir}\r\n$`,
      ),
    );
    expect(await exited).toMatchObject({ code: 0, signal: null });
  });

  it.each([
    ['exit 7', { code: 7, signal: null }],
    ['exit 255', { code: 255, signal: null }],
    ['kill -9 $$', { code: null, signal: 'SIGKILL' }],
    ['kill -USR1 $$', { code: null, signal: 'SIGUSR1' }],
  ])('has the exit status of its process: %s', async (script, exit) => {
    const { stdout, exited } = await start(script);
    stdout.resume();
    expect(await exited).toMatchObject(exit);
  });

  it('gets each new size', async () => {
    const { stdout, resize } = await start(
      'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.02; done',
    );
    stdout.once('data', () => resize(132, 50));
    expect(await text(stdout)).toBe('ready\r\n50 132\r\n');
  });

  it('gets Ctrl-C as its interrupt', async () => {
    const { stdout, stdin, exited } = await start('echo ready; exec sleep 1000');
    stdout.once('data', () => stdin.write('\x03'));
    stdout.resume();
    expect(await exited).toMatchObject({ code: null, signal: 'SIGINT' });
  });

  it.each(['line\n', 'line', ''])('reads to the end of its input: %j', async (input) => {
    const { stdout, stdin, exited } = await start('stty -echo; echo ready; wc -c; exit 3');
    stdout.once('data', () => stdin.end(input));
    expect(await text(stdout)).toContain(`${input.length}\r\n`);
    expect(await exited).toMatchObject({ code: 3, signal: null });
  });

  it('loses no output to a slow reader, which slows it', async () => {
    const { stdout, exited } = await start('stty -opost; seq 300000');
    let sizeBytes = 0;
    for await (const chunk of stdout) {
      sizeBytes += chunk.length;
      await new Promise(setImmediate);
    }
    expect(sizeBytes).toBe(1_988_895);
    expect(await exited).toMatchObject({ code: 0, signal: null });
  });

  it('keeps the output of its very end', async () => {
    const { stdout, exited } = await start('stty -opost; seq 500');
    const pieces: Buffer[] = [];
    stdout.on('data', (piece) => pieces.push(piece)).pause();
    await exited;
    stdout.resume();
    await once(stdout, 'end');
    expect(Buffer.concat(pieces)).toHaveLength(1892);
  });

  it('ends when its own process ends, whatever that leaves behind on the terminal', async () => {
    const { stdout, exited } = await start('trap "" HUP; sleep 1000 & echo $!');
    const pid = Number(await text(stdout));
    process.kill(pid, 'SIGKILL');
    expect(await exited).toMatchObject({ code: 0, signal: null });
  });

  it('is ended with all its jobs, though an interactive shell ignores TERM', async () => {
    const { stdout, stdin, exited, end, mark } = await start('exec bash --norc -i');
    stdin.write('sleep 1000 & (trap "" TERM HUP; echo rea""dy; while :; do sleep 0.1; done)\n');
    let seen = '';
    stdout.on('data', (piece) => (seen += piece));
    await until(() => seen.includes('ready'));
    await end(300);
    expect(await exited).toMatchObject({ signal: expect.stringMatching(/HUP|KILL/) });
    expect(processesMarked(mark)).toEqual([]);
  });

  it('passes signals to what runs in the foreground', async () => {
    const { stdout, stdin, signal, end } = await start('exec bash --norc -i');
    let seen = '';
    stdout.on('data', (piece) => (seen += piece));
    stdin.write('sh -c \'echo rea""dy; exec sleep 1000\'\necho st""atus $?\n');
    await until(() => seen.includes('ready'));
    await signal('SIGINT');
    await until(() => seen.includes('status 130'));
    await end(0);
  });

  it('ends with the process that holds its terminal', async () => {
    const { stdout, exited, mark } = await start('echo $PPID; exec sleep 1000');
    const [host] = await once(stdout, 'data');
    process.kill(Number(host), 'SIGKILL');
    expect(await exited).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(processesMarked(mark)).toEqual([]);
  });

  it('shares its terminal with no other command', async () => {
    const first = await start('echo ready; exec cat');
    await once(first.stdout, 'data');
    const second = await start('ls -l /proc/$$/fd /proc/$PPID/fd');
    const held = (await text(second.stdout)).match(/\/dev\/(ptmx|pts\/\d+)/g);
    expect(new Set(held)).toHaveLength(2);
    await first.end(0);
  });
});
