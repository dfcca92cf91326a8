// What of a local tree is not sent: `.git` never, and unless told otherwise what git or `.gomoteignore` ignores and what
// editors leave behind.
import { readFileSync } from 'node:fs';
import { GomoteError, messageOf } from '../errors.ts';
import { type AskGitOptions, askGit, gitWorkTree } from './ask-git.ts';
import { IgnorePatterns, ignoreLines } from './ignore-patterns.ts';

export const ignoreFileName = '.gomoteignore';

export interface IgnoreOptions extends AskGitOptions {
  /** Patterns as in a gitignore file at the tree's top; they hold in any case. */
  readonly exclude?: readonly string[] | undefined;
  /** What else is left out. */
  readonly leavesOut?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Sends what git, `.gomoteignore` and the rule for editors' backups would leave out. */
  readonly noIgnore?: boolean | undefined;
}

export interface IgnoreRules {
  /** Says what is in a directory, before anything in it is asked for. */
  enter(directory: string, names: readonly string[]): void;
  leavesOut(path: string, isDirectory: boolean): boolean;
}

/** Reads the rules of the tree at `top`, an absolute path. Throws ERR_LOCAL_FILE and ERR_TIMEOUT. */
export async function ignoreRules(top: string, options: IgnoreOptions): Promise<IgnoreRules> {
  const { noIgnore = false, exclude = [] } = options;
  const excluded = new IgnorePatterns(exclude);
  const isGit = !noIgnore && gitWorkTree(top) !== undefined;
  const byGit = isGit ? await askGit(top, options) : new Set<string>();
  const files = !noIgnore && !isGit ? new IgnoreFiles(top) : undefined;
  return {
    enter: (directory, names) => files?.enter(directory, names),
    leavesOut: (path, isDirectory) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name === '.git' || excluded.test(path, isDirectory) === true) return true;
      if (options.leavesOut?.(path, isDirectory) === true) return true;
      if (noIgnore) return false;
      if (isEditorBackup(name)) return true;
      return (
        byGit.has(isDirectory ? `${path}/` : path) || files?.ignores(path, isDirectory) === true
      );
    },
  };
}

/** As Go's gomote has it: vi's swap files, and what emacs leaves. */
export const isEditorBackup = (name: string): boolean => /^\..*\.swp$|[~#]$|^\.?#/s.test(name);

/** The ignore files of a tree outside git. */
class IgnoreFiles {
  readonly #top: string;
  /** By directory, the top's being empty; only of directories that have one. */
  readonly #patterns = new Map<string, IgnorePatterns>();

  constructor(top: string) {
    this.#top = top;
  }

  enter(directory: string, names: readonly string[]): void {
    if (!names.includes(ignoreFileName)) return;
    const path = `${this.#top}/${directory === '' ? '' : `${directory}/`}${ignoreFileName}`;
    try {
      this.#patterns.set(directory, new IgnorePatterns(ignoreLines(readFileSync(path, 'utf8'))));
    } catch (error) {
      throw new GomoteError('ERR_LOCAL_FILE', `cannot read ${path}: ${messageOf(error)}`, {
        hint: 'mend that, or give --no-ignore to send everything',
        cause: error,
      });
    }
  }

  /** The nearest file that says something about the path has the last word. */
  ignores(path: string, isDirectory: boolean): boolean {
    if (this.#patterns.size === 0) return false;
    for (let end = path.lastIndexOf('/'); ; end = path.lastIndexOf('/', end - 1)) {
      const directory = end < 0 ? '' : path.slice(0, end);
      const below = end < 0 ? path : path.slice(end + 1);
      const said = this.#patterns.get(directory)?.test(below, isDirectory);
      if (said !== undefined) return said;
      if (end < 0) return false;
    }
  }
}
