// Shell patterns: `*`, `?` and `[a-z]` in an element of a path.
import { whyRefused } from '../../files/foreign-name.ts';
import { IgnorePatterns } from '../../sync/ignore/ignore-patterns.ts';

export interface Listed {
  readonly name: string;
  readonly isDirectory: boolean;
}

export const isPattern = (path: string): boolean => /[*?[]/.test(path);

/**
 * Returns the matching paths, sorted. As in a shell, only a dot matches the dot at the beginning of a name.
 *
 * @param list Lists a directory; the empty path is the one that the pattern is relative to. Its names are not trusted.
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
