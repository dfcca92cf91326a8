// The native half of node-pty. Its other half drops unread output 200 ms after the command's end, and accepts
// input faster than the terminal.
import { closeSync, constants, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { notStarted } from '../../protocol/process-state.ts';
import { signals } from '../../protocol/signals.ts';
import type { Exit } from './command.ts';

export interface TerminalStart {
  readonly file: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** `KEY=VALUE` */
  readonly environment: readonly string[];
  readonly columns: number;
  readonly rows: number;
}

export interface NativeTerminal {
  /** The command's process, which leads a session and process group of its own. */
  readonly pid: number;
  /** Read the command's output from it, write input to it. */
  readonly stream: ReadStream;
  readonly exited: Promise<Exit>;
  resize(columns: number, rows: number): void;
  /** Lets the stream close once no process holds the terminal; call it when the terminal is empty. */
  release(): void;
}

interface Binding {
  fork(
    file: string,
    args: readonly string[],
    environment: readonly string[],
    directory: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    isUtf8: boolean,
    helper: string,
    onExit: (exitCode: number, signalNumber: number) => void,
  ): { fd: number; pid: number; pty: string };
  resize(fd: number, columns: number, rows: number): void;
}

/** Starts a command on a new terminal. Throws when none is available. */
export function forkOnTerminal(start: TerminalStart): NativeTerminal {
  const { binding, helper } = loadBinding();
  let onExit = (_exit: Exit): void => undefined;
  const exited = new Promise<Exit>((resolve) => {
    onExit = resolve;
  });
  const { fd, pid, pty } = forked(binding, [
    start.file,
    start.args,
    start.environment,
    start.directory,
    start.columns,
    start.rows,
    -1,
    -1,
    true,
    helper,
    (exitCode, signalNumber) => onExit(toExit(exitCode, signalNumber)),
  ]);
  // Held open: libuv treats a terminal that no process holds as empty, while most output may be unread.
  let held: number | undefined = openSync(pty, constants.O_RDWR | constants.O_NOCTTY);
  const release = () => {
    if (held !== undefined) closeSync(held);
    held = undefined;
  };
  const stream = new ReadStream(fd);
  const resize = (columns: number, rows: number) => {
    if (!stream.destroyed) binding.resize(fd, columns, rows);
  };
  return { pid, stream, exited, resize, release };
}

function forked(binding: Binding, how: Parameters<Binding['fork']>): ReturnType<Binding['fork']> {
  try {
    return binding.fork(...how);
  } catch (error) {
    // The library only reports that forkpty(3) failed.
    throw new Error(notStarted.noTerminal, { cause: error });
  }
}

function loadBinding(): { binding: Binding; helper: string } {
  const load = createRequire(import.meta.filename);
  try {
    const { requireBinary } = load('@lydell/node-pty/requireBinary.js');
    const helper = `@lydell/node-pty-${process.platform}-${process.arch}/spawn-helper`;
    return {
      binding: requireBinary('pty.node'),
      helper: process.platform === 'darwin' ? load.resolve(helper) : '',
    };
  } catch (error) {
    throw new Error(notStarted.noTerminals, { cause: error });
  }
}

function toExit(exitCode: number, signalNumber: number): Exit {
  if (signalNumber === 0) return { code: exitCode, signal: null };
  const name = signals.find(({ number }) => number === signalNumber)?.name ?? `SIG${signalNumber}`;
  return { code: null, signal: name as NodeJS.Signals };
}
