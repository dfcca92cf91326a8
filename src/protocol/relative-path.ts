// The protocol's path rule: relative, forward slashes, nothing that climbs out.
import { bytesOfName } from './name-bytes.ts';

/**
 * Brings a path of the protocol into its plain form: no empty, `.` or inner `..` elements, no slash at the
 * end; the work directory itself, also given as an empty path, is `.`.
 *
 * Returns undefined for a path the protocol does not allow: absolute, with a NUL byte, or with a `..` that climbs above its
 * start; on Windows, where it separates elements, also with a backslash.
 */
export function normalizeRelativePath(
  path: string,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  if (path.startsWith('/') || path.includes('\0')) return undefined;
  if (platform === 'win32' && path.includes('\\')) return undefined;
  const elements: string[] = [];
  for (const element of path.split('/')) {
    if (element === '' || element === '.') continue;
    if (element !== '..') elements.push(element);
    else if (elements.pop() === undefined) return undefined;
  }
  return elements.length === 0 ? '.' : elements.join('/');
}

/** The elements of a path in plain form; none for the work directory itself. */
export function pathElements(normalized: string): string[] {
  return normalized === '.' ? [] : normalized.split('/');
}

/** The directory that a path in plain form is in; empty for the top. */
export const directoryOf = (path: string): string =>
  path.slice(0, Math.max(path.lastIndexOf('/'), 0));

/** The directories above a path in plain form, the nearest first, without the top. */
export function* directoriesAbove(path: string): Generator<string, void, void> {
  for (let above = directoryOf(path); above !== ''; above = directoryOf(above)) yield above;
}

/** Orders names as their bytes, as the protocol's listings are. */
export function compareBytes(a: string, b: string): number {
  // The default UTF-16 order differs from byte order only where surrogates meet characters from
  // U+E000 on.
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (isEscape(a, i) || isEscape(b, i)) {
      return Buffer.compare(bytesOfName(a.slice(i)), bytesOfName(b.slice(i)));
    }
    return (x >= 0xd800 && y >= 0xd800 ? surrogatesLast(x) - surrogatesLast(y) : x - y) || 0;
  }
  return a.length - b.length;
}

/** Whether the code unit stands for a byte that is not UTF-8: a low surrogate without a high one. */
const isEscape = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) !== 0xd800;

const surrogatesLast = (unit: number): number => (unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
