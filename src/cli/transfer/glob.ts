// Patterns of a shell in paths: `*`, `?` and `[a-z]` in an element of the path.
import { whyRefused } from '../../files/foreign-name.ts';
import { IgnorePatterns } from '../../sync/ignore/ignore-patterns.ts';

/** A name in a directory. */
export interface Listed {
  readonly name: string;
  readonly isDirectory: boolean;
}

export const isPattern = (path: string): boolean => /[*?[]/.test(path);

/**
 * The paths that match, in order. As in a shell, a name with a dot at its beginning is matched only by a dot.
 *
 * @param list What is in a directory; empty for the one that the pattern is relative to. Its names are not trusted.
 */
export async function expandPattern(
  pattern: string,
  list: (directory: string) => Promise<readonly Listed[]>,
): Promise<string[]> {
  let paths = [''];
  const elements = pattern.split('/');
  for (const [at, element] of elements.entries()) {
    const isLast = at === elements.length - 1;
    if (!isPattern(element)) {
      paths = paths.map((path) => path + element + (isLast ? '' : '/'));
      continue;
    }
    const rules = new IgnorePatterns([
      `/${element.replace(/ +$/, (blanks) => blanks.replaceAll(' ', '\\ '))}`,
    ]);
    const next: string[] = [];
    for (const path of paths) {
      for (const { name, isDirectory } of await list(path)) {
        const isHidden = name.startsWith('.') && !element.startsWith('.');
        if (isHidden || whyRefused(name) !== undefined || name.includes('/')) continue;
        if ((isLast || isDirectory) && rules.test(name, false) === true) {
          next.push(path + name + (isLast ? '' : '/'));
        }
      }
    }
    paths = next.sort();
  }
  return paths;
}
