// The values of options and arguments; each parser throws ERR_USAGE with the option, the value and an example.
import { GomoteError } from '../errors.ts';
import { type Compression, parseCompression } from '../protocol/transfer.ts';

const bad = (option: string, text: string, what: string, hint: string): GomoteError =>
  new GomoteError('ERR_USAGE', `${option} "${text}" is not ${what}`, { hint });

/** Permission bits in octal: 644, 0644, 0o644. */
export function parseOctalMode(option: string, text: string): number {
  const digits = /^(?:0o)?0*([0-7]{1,3})$/.exec(text)?.[1];
  if (digits === undefined) throw bad(option, text, 'an octal mode', 'give one such as 644 or 755');
  return Number.parseInt(digits, 8);
}

/** KEY=VALUE, returned as it is. */
export function parseKeyValue(option: string, text: string): string {
  if (/^[^=\0]+=[^\0]*$/.test(text)) return text;
  throw bad(option, text, 'KEY=VALUE', 'give one such as GOOS=linux');
}

/** A whole number from 1 to `limit`. */
export function parseCount(option: string, text: string, limit: number): number {
  const count = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= limit) return count;
  throw bad(option, text, `a number from 1 to ${limit}`, `give ${option} 3, say`);
}

/** A list with commas; empty elements are dropped. */
export function parseCommaList(text: string): string[] {
  return text.split(',').filter((element) => element !== '');
}

/** Go's `-path`: empty is not given, EMPTY no PATH at all, else a list with commas. */
export function parsePathOption(text: string): string[] | undefined {
  if (text === '') return undefined;
  return text === 'EMPTY' ? [] : parseCommaList(text);
}

/** How archives and trees are packed; `auto` leaves it open. */
export function parseCompress(text: string): Compression | 'auto' {
  const found = text === 'auto' ? text : parseCompression(text);
  if (found !== undefined) return found;
  throw bad('--compress', text, 'a compression', 'give auto, gzip, zstd or none');
}
