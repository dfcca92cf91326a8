// Standard input and output: data on stdout, messages on stderr, colour and spinners on a terminal.
import { fstatSync, type Stats, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { inputStream, isTerminal, outputStream } from '../../files/own-streams.ts';
import { printable, printableJson } from '../../printable.ts';
import { bytesOfName, encodable } from '../../protocol/name-bytes.ts';
import type { TerminalRequest } from '../../protocol/session.ts';
import type { StartState } from '../../start-state.ts';
import type { Passed } from './progress.ts';

export interface Terminal {
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stdout: Writable & { isTTY?: boolean; columns?: number; rows?: number };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  readonly environment: NodeJS.ProcessEnv;
  /** What standard input is. Default: data. */
  readonly input?: 'data' | 'terminal' | 'nothing' | 'directory';
  /** Whether stdout is a terminal, determined without opening it, which takes time. Default false. */
  readonly isOutputShown?: boolean;
  /** Whether stdout and stderr are the same file. Default false. */
  readonly isOutputShared?: boolean;
  /** Whether a chunk may be reused once stdout or stderr has written it. Default false. */
  readonly mayReuseBuffer?: boolean;
  /** Whether the terminal is in raw mode for a remote command, which then writes its own line ends. */
  isRaw?: boolean;
}

let stdin: Terminal['stdin'] | undefined;

export const processTerminal = ({ isOutputClosed }: StartState = {}): Terminal => ({
  // Opened on first use: opening standard input takes time, and may change the behaviour of a terminal.
  get stdin() {
    stdin ??= inputStream();
    return stdin;
  },
  get stdout() {
    return outputStream(1, isOutputClosed);
  },
  get stderr() {
    return outputStream(2);
  },
  environment: process.env,
  mayReuseBuffer: true,
  get input() {
    const found = statOf(0);
    if (found?.isDirectory()) return 'directory';
    if (found?.isCharacterDevice() !== true) return 'data';
    if (found.rdev === statOf('/dev/null')?.rdev) return 'nothing';
    return isTerminal(0) ? 'terminal' : 'data';
  },
  get isOutputShown() {
    return statOf(1)?.isCharacterDevice() === true && isTerminal(1);
  },
  get isOutputShared() {
    const [stdout, stderr] = [statOf(1), statOf(2)];
    return stdout !== undefined && stdout.ino === stderr?.ino && stdout.dev === stderr.dev;
  },
});

function statOf(file: number | string): Stats | undefined {
  try {
    return typeof file === 'number' ? fstatSync(file) : statSync(file);
  } catch {
    return undefined;
  }
}

/** Whether a command runs on a terminal: as requested, otherwise when both stdin and stdout are terminals. */
export function wantsTerminal(
  options: { readonly tty?: boolean | undefined; readonly interactive?: boolean | undefined },
  terminal: Terminal,
): boolean {
  if (options.tty !== undefined) return options.tty;
  return (
    options.interactive === true && terminal.input === 'terminal' && terminal.stdout.isTTY === true
  );
}

/** The type and size of the user's terminal, for the remote one. */
export const terminalLike = ({ stdout, environment }: Terminal): TerminalRequest => ({
  term: environment.TERM || 'dumb',
  columns: stdout.columns || 80,
  rows: stdout.rows || 24,
});

/** Writes to stdout with backpressure; names are written as their original bytes. Fails as the stream does. */
export async function print(terminal: Terminal, text: string): Promise<void> {
  const { stdout } = terminal;
  if (stdout.errored) throw stdout.errored;
  await new Promise<void>((resolve, reject) => {
    stdout.write(encodable(text), (error) => (error ? reject(error) : resolve()));
  });
}

/** The lines of a listing: on a terminal, control characters are escaped; otherwise they are unchanged, for programs. */
export function listed(lines: readonly string[], { stdout }: Terminal): string {
  const shown = stdout.isTTY === true ? lines.map((line) => printable(line)) : lines;
  return shown.map((line) => `${line}\n`).join('');
}

/** The value as one line of JSON; on a terminal, control characters are escaped. */
export function listedJson(value: unknown, { stdout }: Terminal, indent?: number): string {
  const json = `${JSON.stringify(value, withNames, indent)}\n`;
  return stdout.isTTY === true ? printableJson(json) : json;
}

export const printLines = (terminal: Terminal, lines: readonly string[]): Promise<void> =>
  print(terminal, listed(lines, terminal));

export const printJson = (terminal: Terminal, value: unknown, indent?: number): Promise<void> =>
  print(terminal, listedJson(value, terminal, indent));

/** JSON cannot hold a name that is not UTF-8: the text is approximate, and `pathBase64` beside `path` has the bytes. */
function withNames(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return value.isWellFormed() ? value : printable(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const pairs = Object.entries(value).flatMap(([key, one]): [string, unknown][] =>
    typeof one === 'string' && !one.isWellFormed()
      ? [
          [key, one],
          [`${key}Base64`, bytesOfName(one).toString('base64')],
        ]
      : [[key, one]],
  );
  return Object.fromEntries(pairs);
}

/** The text in red if `wanted` and the terminal shows colours; otherwise unchanged. */
export async function colorRed(
  stream: { isTTY?: boolean },
  environment: NodeJS.ProcessEnv,
  wanted: boolean,
  text: string,
): Promise<string> {
  if (!wanted || stream.isTTY !== true || environment.TERM === 'dumb') return text;
  const { Chalk } = await import('chalk');
  return new Chalk({ level: 1 }).red(text);
}

export interface Messages {
  /** Prints lines to stderr, unless `--quiet`; control characters are escaped. */
  say(lines: string | readonly string[]): void;
  /** Prints a line of gomote's own, beside the output of commands: `gomote: …`. */
  remark(line: string): void;
  /** Prints a line to stderr with `--verbose`. */
  detail(line: string): void;
  /**
   * Runs `work` with a spinner that shows the steps reported by `work`; in a log, a line every 10 s. While no step is reported,
   * the spinner makes way for the output of `work`.
   */
  during<T>(what: string, work: (tell: (step?: string) => void) => Promise<T>): Promise<T>;
  /** Runs `work` with a progress line on a terminal; `work` counts in `passed`. */
  showing<T>(passed: Passed, work: () => Promise<T>): Promise<T>;
}

/** The elapsed time is shown after this many seconds. */
const elapsedFromSeconds = 3;

interface MessagesOptions {
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color?: boolean;
}

/** The interval between progress lines in a log, in ms: shorter than the silence of a coordinator. */
const logIntervalMs = 9_000;

export function createMessages(terminal: Terminal, options: MessagesOptions): Messages {
  const write = (text: string | readonly string[]) => {
    const line = [text]
      .flat()
      .map((one) => printable(one))
      .join(terminal.isRaw ? '\r\n' : '\n');
    terminal.stderr.write(terminal.isRaw ? `\r\n${line}\r\n` : `${line}\n`);
  };
  // On a terminal of width 0, as under script(1), the spinner would wrap its line forever.
  const isScreen = terminal.stderr.isTTY === true && terminal.stderr.columns !== 0;
  const decorated = isScreen && !options.quiet && options.color;
  return {
    say: (lines) => {
      if (!options.quiet) write(lines);
    },
    remark: (line) => {
      if (!options.quiet) write(`gomote: ${line}`);
    },
    detail: (line) => {
      if (options.verbose) write(line);
    },
    showing: async (passed, work) => {
      if (!decorated) return await work();
      const { showProgress } = await import('./progress.ts');
      const stop = showProgress(terminal.stderr, passed);
      try {
        return await work();
      } finally {
        stop();
      }
    },
    during: async (what, work) => {
      if (!decorated) {
        let shownAtMs = performance.now();
        return await work((step) => {
          const nowMs = performance.now();
          // Show progress in a log at intervals.
          const isDue = !options.quiet && nowMs - shownAtMs >= logIntervalMs;
          if (step === undefined || (!options.verbose && !isDue)) return;
          shownAtMs = nowMs;
          write(`gomote: ${what}: ${step}`);
        });
      }
      const { ora } = await import('./spinner.ts');
      const spinner = ora({ text: what, stream: terminal.stderr as NodeJS.WriteStream }).start();
      const startedAtMs = performance.now();
      let shown = what;
      // Show the elapsed time when the work takes long.
      const show = () => {
        const seconds = Math.floor((performance.now() - startedAtMs) / 1000);
        spinner.text = seconds < elapsedFromSeconds ? shown : `${shown} (${seconds} s)`;
      };
      const timer = setInterval(show, 1000);
      timer.unref();
      try {
        return await work((step) => {
          if (step === undefined) return void spinner.stop();
          shown = printable(`${what}: ${step}`);
          show();
        });
      } finally {
        clearInterval(timer);
        spinner.stop();
      }
    },
  };
}
