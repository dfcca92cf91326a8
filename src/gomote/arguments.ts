// Checks the arguments of callers without types. Each failure is ERR_USAGE, and names the argument.
import { checkSignal, GomoteError } from '../errors.ts';

const wrong = (what: string, expected: string): GomoteError =>
  new GomoteError('ERR_USAGE', `${what} must be ${expected}`);

export function checkText(what: string, value: unknown): void {
  if (typeof value !== 'string') throw wrong(what, 'a string');
  if (value.includes('\0')) throw wrong(what, 'a string without NUL');
}

export function checkOptionalText(what: string, value: unknown): void {
  if (value !== undefined) checkText(what, value);
}

export function checkTexts(what: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrong(what, 'an array of strings');
  for (const one of value) checkText(`each of ${what}`, one);
}

export function checkOptions(value: unknown): void {
  if (typeof value !== 'object' || value === null) throw wrong('options', 'an object');
}

/** A whole number from 1. */
export function checkCount(what: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || Number(value) < 1) throw wrong(what, 'a whole number from 1');
}

/** The size of a terminal. */
export function checkSize(size: { readonly columns?: unknown; readonly rows?: unknown }): void {
  checkCount('columns', size.columns);
  checkCount('rows', size.rows);
}

/** An object, all of whose values are strings. */
export function checkRecord(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw wrong(what, 'an object of strings');
  for (const [key, one] of Object.entries(value)) checkText(`${what}.${key}`, one);
}

export function checkRun(
  cmd: unknown,
  args: unknown,
  options: {
    readonly env?: unknown;
    readonly path?: unknown;
    readonly id?: unknown;
    readonly dir?: unknown;
    readonly stdout?: unknown;
    readonly signal?: unknown;
    readonly tty?: { readonly columns: unknown; readonly rows: unknown } | undefined;
  },
): void {
  checkText('the command', cmd);
  if (cmd === '') throw wrong('the command', 'a string that is not empty');
  checkTexts('args', args);
  checkOutputs(options);
  const { env, path, id, dir } = options;
  if (Array.isArray(env)) checkTexts('env', env);
  else if (env !== undefined) checkRecord('env', env);
  if (path !== undefined) checkTexts('path', path);
  checkOptionalText('id', id);
  if (options.tty !== undefined) checkSize(options.tty);
  checkOptionalText('dir', dir);
}

/** The output options: where output goes, and how much of it is kept. */
export function checkOutputs(options: {
  readonly stdout?: unknown;
  readonly stderr?: unknown;
  readonly maxBuffer?: unknown;
  readonly signal?: unknown;
}): void {
  checkOptions(options);
  checkSignal(options.signal);
  const { stdout, stderr, maxBuffer = 0 } = options;
  for (const [what, stream] of Object.entries({ stdout, stderr })) {
    const isStream = typeof stream === 'object' && stream !== null && 'write' in stream;
    if (stream !== undefined && !isStream) throw wrong(what, 'a stream to write to');
  }
  if (!(typeof maxBuffer === 'number' && maxBuffer >= 0)) {
    throw wrong('maxBuffer', 'a number of bytes');
  }
}
