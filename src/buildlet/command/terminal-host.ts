// A program: the process that holds one terminal, the command on its one side, pipes to the buildlet on its other.
//
// It is a process of its own because the controlling end that node-pty opens is inherited by whatever its process starts
// afterwards: commands would hold each other's terminals. And a terminal hangs up, by itself, when its host dies.
import type { ReadStream } from 'node:tty';
import { messageOf } from '../../errors.ts';
import type { Exit } from './command.ts';
import { forkOnTerminal, type NativeTerminal, type TerminalStart } from './native-terminal.ts';
import { usageMeter } from './usage-meter.ts';

/** What the buildlet tells the host. */
export type HostOrder = { start: TerminalStart } | { resize: { columns: number; rows: number } };

/** What the host tells the buildlet: first whether the command runs, later how it ended. */
export type HostReport = { started: number } | { notStarted: string } | { exited: Exit };

/** How long to wait, in ms, until a terminal whose command has ended, and that is silent, is taken to be empty. */
const silenceMs = 20;

/** After how many such times it is closed though other processes hold it. */
const lingerCount = 10;

/** What ends the input of a program that reads lines. */
const endOfFile = '\x04';

const newline = 10;

const report = (message: HostReport) => process.send?.(message);

/** The buildlet is gone: so is the terminal. */
const hangUp = () => process.kill(process.pid);

process.once('disconnect', hangUp);
process.once('message', (order: HostOrder) => {
  if ('start' in order) start(order.start);
});

function start(given: TerminalStart): void {
  try {
    const terminal = forkOnTerminal(given);
    const { pid, stream, exited, resize } = terminal;
    const output = copyOutput(terminal, process.stdout);
    copyInput(process.stdin, stream);
    process.on('message', (order: HostOrder) => {
      if ('resize' in order) resize(order.resize.columns, order.resize.rows);
    });
    const usage = usageMeter.watch(pid);
    void exited.then(async (exit) => {
      report({ exited: { ...exit, usage: await usage() } });
      output.closeWhenSilent();
    });
    stream.once('close', () => {
      process.stdin.destroy();
      process.stdout.end();
      void exited.then(leave);
    });
    report({ started: pid });
  } catch (error) {
    report({ notStarted: messageOf(error) });
    leave();
  }
}

function leave(): void {
  process.off('disconnect', hangUp);
  process.disconnect();
}

/** Copies what the command writes; a slow reader slows it. */
function copyOutput({ stream, release }: NativeTerminal, output: NodeJS.WriteStream) {
  let silences = 0;
  let ticks: NodeJS.Timeout | undefined;
  stream.on('data', (chunk: Buffer) => {
    silences = 0;
    if (output.write(chunk)) return;
    stream.pause();
    output.once('drain', () => {
      // Not before something could be read.
      silences = -1;
      stream.resume();
    });
  });
  // That no process holds it is, to Linux, an input/output error.
  stream.on('error', () => undefined).once('close', () => clearInterval(ticks));
  output.on('error', () => stream.destroy());
  const judge = () => {
    if (stream.isPaused()) return;
    silences++;
    if (silences > 0) release();
    if (silences > lingerCount) stream.destroy();
  };
  return {
    closeWhenSilent: () => {
      silences = 0;
      // What came meanwhile is read before the verdict.
      ticks = setInterval(() => setImmediate(judge), silenceMs);
    },
  };
}

/** Types what comes on the pipe, as fast as the terminal takes it. */
function copyInput(input: NodeJS.ReadStream, terminal: ReadStream): void {
  let lastByte = newline;
  input.on('data', (chunk: Buffer) => {
    lastByte = chunk.at(-1) ?? lastByte;
    if (terminal.destroyed || terminal.write(chunk)) return;
    input.pause();
    terminal.once('drain', () => input.resume());
  });
  input.on('end', () => {
    // In the middle of a line the first hands the line over, and only a second is the end.
    if (!terminal.destroyed) terminal.write(lastByte === newline ? endOfFile : endOfFile.repeat(2));
  });
  input.on('error', hangUp);
}
