// Patterns of gitignore(5): read from lines, and asked for a path.
import ignore, { type Ignore } from 'ignore';

/** The patterns of one file, in its order. */
export class IgnorePatterns {
  readonly #rules: Ignore;

  constructor(lines: readonly string[]) {
    this.#rules = ignore({ ignorecase: false, allowRelativePaths: true }).add([...lines]);
  }

  /** Whether the path, relative to the file's directory, is ignored, or kept by force; undefined: nothing is said. */
  test(path: string, isDirectory: boolean): boolean | undefined {
    const { ignored, unignored } = this.#rules.test(isDirectory ? `${path}/` : path);
    return ignored ? true : unignored ? false : undefined;
  }
}

/** The lines of an ignore file. */
export const ignoreLines = (text: string): string[] => text.replace(/^\uFEFF/, '').split(/\r?\n/);
