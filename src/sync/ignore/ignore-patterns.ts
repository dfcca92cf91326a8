// Patterns of gitignore(5): parsed from lines, and matched against paths.
import ignore, { type Ignore } from 'ignore';

/** The patterns of one file, in order. */
export class IgnorePatterns {
  /** Absent when there are no patterns: matching takes time, and is done for every path. */
  readonly #rules: Ignore | undefined;

  constructor(lines: readonly string[]) {
    if (lines.length === 0) return;
    this.#rules = ignore({ ignorecase: false, allowRelativePaths: true }).add([...lines]);
  }

  /** Whether the path, relative to the file's directory, is ignored (true) or re-included (false); undefined: no pattern matches. */
  test(path: string, isDirectory: boolean): boolean | undefined {
    if (this.#rules === undefined) return undefined;
    const { ignored, unignored } = this.#rules.test(isDirectory ? `${path}/` : path);
    return ignored ? true : unignored ? false : undefined;
  }
}

/** The lines of an ignore file. */
export const ignoreLines = (text: string): string[] => text.replace(/^\uFEFF/, '').split(/\r?\n/);
