// Arguments and variables of this process that are not UTF-8, which Node cannot decode without loss.
import { readFileSync } from 'node:fs';
import { GomoteError } from '../errors.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';

/** The character that Node puts in place of bytes that are not UTF-8. */
const replacement = '\uFFFD';

type Read = () => Buffer;

/**
 * The last arguments of this process, with their bytes encoded as in file names (protocol/name-bytes.ts). Throws
 * ERR_USAGE when one is not UTF-8 and its bytes cannot be read: it must not be mistaken for another.
 */
export function exactArguments(
  args: readonly string[],
  {
    own = process.argv,
    read = () => readFileSync('/proc/self/cmdline'),
  }: { own?: readonly string[]; read?: Read } = {},
): readonly string[] {
  const doubtful = args.find((arg) => arg.includes(replacement));
  if (doubtful === undefined) return args;
  const last = own.slice(-args.length);
  // The launcher puts a colon before each, see bin/start.js.
  const behind = last.every((arg, i) => arg === `:${args[i]}`) ? 1 : 0;
  if (last.some((arg, i) => arg.slice(behind) !== args[i])) return args;
  const given = fieldsOf(read).slice(-args.length);
  if (given.length === args.length && given.every((bytes, i) => bytes.toString() === last[i])) {
    return given.map((bytes) => nameFromBytes(bytes.subarray(behind)));
  }
  throw new GomoteError('ERR_USAGE', `the argument "${doubtful}" may not be as it was given`, {
    hint: 'this system does not give the bytes of arguments that are not UTF-8',
  });
}

/**
 * A variable of this process, with its bytes encoded as in file names. Throws ERR_USAGE when it is not UTF-8 and its bytes
 * cannot be read.
 */
export function exactVariable(
  name: string,
  own: NodeJS.ProcessEnv,
  read: Read = () => readFileSync('/proc/self/environ'),
): string | undefined {
  const value = own[name];
  if (value?.includes(replacement) !== true) return value;
  const start = Buffer.from(`${name}=`);
  const found = fieldsOf(read).find((field) => field.subarray(0, start.length).equals(start));
  const bytes = found?.subarray(start.length);
  if (bytes?.toString() === value) return nameFromBytes(bytes);
  throw new GomoteError('ERR_USAGE', `the value of ${name} may not be as it is here`, {
    hint: `this system does not give the bytes of variables that are not UTF-8; give -e ${name}=VALUE`,
  });
}

function fieldsOf(read: Read): Buffer[] {
  try {
    const text = read().toString('latin1');
    const fields = (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
    return fields.map((field) => Buffer.from(field, 'latin1'));
  } catch {
    return [];
  }
}
