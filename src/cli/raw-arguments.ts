// The bytes of arguments that are not UTF-8, which Node turns into U+FFFD.
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

const replacement = '\uFFFD';

/**
 * The last arguments of this process as they were given: text, or bytes where they are not UTF-8. Where the system
 * does not tell (there is no /proc), they stay as Node has them.
 */
export function rawArguments(
  args: readonly string[],
  readCommandLine = () => readFileSync('/proc/self/cmdline'),
): (string | Uint8Array)[] {
  if (!args.some((arg) => arg.includes(replacement))) return [...args];
  const given = splitAtNul(readOrNothing(readCommandLine)).slice(-args.length);
  const isThisLine = given.length === args.length;
  // The launcher gives each behind a colon, see bin/start.js.
  const behind =
    isThisLine && given.every((bytes, i) => bytes.toString() === `:${args[i]}`) ? 1 : 0;
  const plain = given.map((bytes) => bytes.subarray(behind));
  if (!isThisLine || plain.some((bytes, i) => bytes.toString() !== args[i])) return [...args];
  return plain.map((bytes) => (isUtf8(bytes) ? bytes.toString() : bytes));
}

function readOrNothing(read: () => Buffer): Buffer {
  try {
    return read();
  } catch {
    return Buffer.alloc(0);
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const stop = end < 0 ? bytes.length : end;
    parts.push(bytes.subarray(at, stop));
    at = stop + 1;
  }
  return parts;
}
