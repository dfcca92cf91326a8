// What this process was given: arguments and variables that are not UTF-8, which Node decodes with loss.
import { readFileSync } from 'node:fs';
import { GomoteError } from '../errors.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';

/** What Node makes of a byte that is not UTF-8. */
const replacement = '\uFFFD';

type Read = () => Buffer;

/**
 * The arguments, which are the last of this process, with their bytes as in the names of files (protocol/name-bytes.ts). Throws
 * ERR_USAGE when one is not UTF-8 and the system does not tell its bytes: it must not be taken for another.
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
  // The launcher gives each behind a colon, see bin/start.js.
  const behind = last.every((arg, i) => arg === `:${args[i]}`) ? 1 : 0;
  if (last.some((arg, i) => arg.slice(behind) !== args[i])) return args;
  const given = fieldsOf(read).slice(-args.length);
  if (given.length === args.length && given.every((bytes, i) => bytes.toString() === last[i])) {
    return given.map((bytes) => nameFromBytes(bytes.subarray(behind)));
  }
  throw new GomoteError('ERR_USAGE', `the argument "${doubtful}" may not be as it was given`, {
    hint: 'this system does not tell the bytes of arguments that are not UTF-8',
  });
}

/**
 * A variable of this process, with its bytes as in the names of files. Throws ERR_USAGE when it is not UTF-8 and the system does
 * not tell its bytes.
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
    hint: `this system does not tell the bytes of variables that are not UTF-8; give -e ${name}=VALUE`,
  });
}

/** Fields that end with a NUL; none where the system has no such file. */
function fieldsOf(read: Read): Buffer[] {
  let bytes: Buffer;
  try {
    bytes = read();
  } catch {
    return [];
  }
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const stop = end < 0 ? bytes.length : end;
    fields.push(bytes.subarray(at, stop));
    at = stop + 1;
  }
  return fields;
}
