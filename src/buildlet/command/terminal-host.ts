// A program: the process that holds one terminal, with the command on one side and pipes to the buildlet on the other.
//
// It is a process of its own because the controlling end that node-pty opens is inherited by whatever its process starts
// afterwards: commands would hold each other's terminals. And a terminal hangs up, by itself, when its host dies.
import type { ReadStream } from 'node:tty';
import { messageOf } from '../../errors.ts';
import type { Exit } from './command.ts';
import { forkOnTerminal, type NativeTerminal, type TerminalStart } from './native-terminal.ts';
import { usageMeter } from './usage-meter.ts';

/** A message from the buildlet to the host. */
export type HostRequest = { start: TerminalStart } | { resize: { columns: number; rows: number } };

/** A message from the host to the buildlet: first whether the command runs, later how it ended. */
export type HostReport = { started: number } | { notStarted: string } | { exited: Exit };

/** How long a terminal must be silent after its command has ended to be considered empty, in ms. */
const silenceMs = 20;

/** After how many such intervals it is closed although other processes hold it. */
const lingerCount = 10;

/** The character that ends the input of a program that reads lines. */
const endOfFile = '\x04';

const newline = 10;

const report = (message: HostReport) => process.send?.(message);

/** Ends the terminal when the buildlet is gone. */
const hangUp = () => process.kill(process.pid);

process.once('disconnect', hangUp);
process.once('message', (message: HostRequest) => {
  if ('start' in message) start(message.start);
});

function start(given: TerminalStart): void {
  try {
    const terminal = forkOnTerminal(given);
    const { pid, stream, exited, resize } = terminal;
    const output = copyOutput(terminal, process.stdout);
    copyInput(process.stdin, stream);
    process.on('message', (message: HostRequest) => {
      if ('resize' in message) resize(message.resize.columns, message.resize.rows);
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

/** Copies the command's output, with backpressure. */
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
  // Linux reports an input/output error when no process holds the terminal.
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
      // Read what has arrived before deciding.
      ticks = setInterval(() => setImmediate(judge), silenceMs);
    },
  };
}

/** Copies input from the pipe, as fast as the terminal accepts it. */
function copyInput(input: NodeJS.ReadStream, terminal: ReadStream): void {
  let lastByte = newline;
  input.on('data', (chunk: Buffer) => {
    lastByte = chunk.at(-1) ?? lastByte;
    if (terminal.destroyed || terminal.write(chunk)) return;
    input.pause();
    terminal.once('drain', () => input.resume());
  });
  input.on('end', () => {
    // In the middle of a line, the first ^D submits the line, and only a second one is the end.
    if (!terminal.destroyed) terminal.write(lastByte === newline ? endOfFile : endOfFile.repeat(2));
  });
  input.on('error', hangUp);
}
