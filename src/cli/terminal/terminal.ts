// Input and output of the command line: data on stdout, messages on stderr, colour and spinners on a terminal.
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
  /** What a command could read from standard input. Default: data. */
  readonly input?: 'data' | 'terminal' | 'nothing' | 'directory';
  /** Whether stdout is a terminal, found out without opening it, which takes time. Default false. */
  readonly isOutputShown?: boolean;
  /** Whether stdout and stderr go to the same place. Default false. */
  readonly isOutputShared?: boolean;
  /** Whether stdout and stderr need a chunk no more once they have written it. Default false. */
  readonly mayReuseBuffer?: boolean;
  /** Whether the terminal belongs to a remote command for the time being, and leaves the ends of lines to it. */
  isRaw?: boolean;
}

let stdin: Terminal['stdin'] | undefined;

/** The process's own. */
export const processTerminal = ({ isOutputClosed }: StartState = {}): Terminal => ({
  // Opened on first use only: opening standard input costs time, and may change how a terminal behaves.
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

/** Whether a command runs on a terminal: as asked for, else when its input comes from one and its output goes to one. */
export function wantsTerminal(
  options: { readonly tty?: boolean | undefined; readonly interactive?: boolean | undefined },
  terminal: Terminal,
): boolean {
  if (options.tty !== undefined) return options.tty;
  return (
    options.interactive === true && terminal.input === 'terminal' && terminal.stdout.isTTY === true
  );
}

/** The kind and size of the user's terminal, for a remote one to be like it. */
export const terminalLike = ({ stdout, environment }: Terminal): TerminalRequest => ({
  term: environment.TERM || 'dumb',
  columns: stdout.columns || 80,
  rows: stdout.rows || 24,
});

/** Writes to stdout with backpressure, names as their bytes; fails as the stream does. */
export async function print(terminal: Terminal, text: string): Promise<void> {
  const { stdout } = terminal;
  if (stdout.errored) throw stdout.errored;
  await new Promise<void>((resolve, reject) => {
    stdout.write(encodable(text), (error) => (error ? reject(error) : resolve()));
  });
}

/**
 * Lines of a listing, as they are printed: safe to show on a terminal, which must not obey what a name holds; as they
 * are elsewhere, where a program reads them.
 */
export function listed(lines: readonly string[], { stdout }: Terminal): string {
  const shown = stdout.isTTY === true ? lines.map((line) => printable(line)) : lines;
  return shown.map((line) => `${line}\n`).join('');
}

/** The value as JSON and a newline; on a terminal without characters that it would obey. */
export function listedJson(value: unknown, { stdout }: Terminal, indent?: number): string {
  const json = `${JSON.stringify(value, withNames, indent)}\n`;
  return stdout.isTTY === true ? printableJson(json) : json;
}

/** A name that is not UTF-8 is no JSON: it becomes text for people, and its bytes stand beside it, `pathBase64` beside `path`. */
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

/** The text in red on a terminal that shows colours, if `wanted`; elsewhere as it is. */
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
  /** Lines on stderr, unless `--quiet`; what a terminal would obey in them is written as escapes. */
  say(lines: string | readonly string[]): void;
  /** One line on stderr with `--verbose` only. */
  detail(line: string): void;
  /**
   * Runs `work` with a spinner on a terminal, which shows the steps that `work` tells; a log has one every 10 s. Told no step,
   * it makes way for what `work` itself writes.
   */
  during<T>(what: string, work: (tell: (step?: string) => void) => Promise<T>): Promise<T>;
  /** Runs `work` with a line on a terminal that shows how far it is. */
  showing<T>(passed: () => Passed, work: () => Promise<T>): Promise<T>;
}

/** What takes less shows no time. */
const elapsedFromSeconds = 3;

interface MessagesOptions {
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

/** How long a log is left without a word of work that goes on, in ms: a little less than a coordinator is silent. */
const logIntervalMs = 9_000;

export function createMessages(terminal: Terminal, options: MessagesOptions): Messages {
  const write = (text: string | readonly string[]) => {
    const line = [text]
      .flat()
      .map((one) => printable(one))
      .join(terminal.isRaw ? '\r\n' : '\n');
    terminal.stderr.write(terminal.isRaw ? `\r\n${line}\r\n` : `${line}\n`);
  };
  // A terminal of no width, as under script(1), would keep the spinner wrapping its line forever.
  const isScreen = terminal.stderr.isTTY === true && terminal.stderr.columns !== 0;
  const decorated = isScreen && !options.quiet && options.color;
  return {
    say: (lines) => {
      if (!options.quiet) write(lines);
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
        let shownMs = performance.now();
        return await work((step) => {
          const nowMs = performance.now();
          // A log shows now and then that something goes on.
          const isDue = !options.quiet && nowMs - shownMs >= logIntervalMs;
          if (step === undefined || (!options.verbose && !isDue)) return;
          shownMs = nowMs;
          write(`gomote: ${what}: ${step}`);
        });
      }
      const { ora } = await import('./spinner.ts');
      const spinner = ora({ text: what, stream: terminal.stderr as NodeJS.WriteStream }).start();
      const startMs = performance.now();
      let shown = what;
      // Whoever waits long wants to see that it goes on.
      const show = () => {
        const seconds = Math.floor((performance.now() - startMs) / 1000);
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
