// The protocol's path rule: relative, forward slashes, nothing that climbs out.

/**
 * Brings a path of the protocol into its plain form: no empty, `.` or inner `..` elements, no slash at the
 * end; the work dir itself, also given as an empty path, is `.`.
 *
 * Returns undefined for a path the protocol does not allow: absolute, with a backslash or a NUL byte, or
 * with a `..` that climbs above its start.
 */
export function normalizeRelativePath(path: string): string | undefined {
  if (path.startsWith('/') || path.includes('\\') || path.includes('\0')) return undefined;
  const elements: string[] = [];
  for (const element of path.split('/')) {
    if (element === '' || element === '.') continue;
    if (element !== '..') elements.push(element);
    else if (elements.pop() === undefined) return undefined;
  }
  return elements.length === 0 ? '.' : elements.join('/');
}

/** The elements of a path in plain form; none for the work dir itself. */
export function pathElements(normalized: string): string[] {
  return normalized === '.' ? [] : normalized.split('/');
}

/** Orders names as bytes of UTF-8, as the protocol's listings are. */
export function compareBytes(a: string, b: string): number {
  // UTF-16 order, which is the language's own, differs from byte order only where surrogates meet characters from
  // U+E000 on.
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return (x >= 0xd800 && y >= 0xd800 ? surrogatesLast(x) - surrogatesLast(y) : x - y) || 0;
  }
  return a.length - b.length;
}

const surrogatesLast = (unit: number): number => (unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
