// What is not sent from a local tree: never `.git` and `.gomote`, and by default what git or `.gomoteignore` ignores and, outside
// git, the backups of editors.
import { closeSync, constants, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { accessSync, lstatSync, openSync, readFileSync } from '../../files/named-fs.ts';
import { ownDirectory } from '../../files/reserved-names.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import { type GitOptions, gitIgnored, gitWorkTree, leaveNothingOut } from './git.ts';
import { IgnorePatterns, ignoreLines } from './ignore-patterns.ts';

export const ignoreFileName = '.gomoteignore';

export interface IgnoreOptions extends GitOptions {
  /** Patterns as in a gitignore file at the top of the tree; they always apply. */
  readonly exclude?: readonly string[] | undefined;
  /** What else is excluded. */
  readonly leavesOut?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Whether to send what git, `.gomoteignore` and the rule for editors' backups exclude. */
  readonly noIgnore?: boolean | undefined;
}

export interface IgnoreRules {
  /**
   * Call with the entries of a directory, and wait for the result before asking about them. Fails with
   * ERR_LOCAL_FILE when the directory's rules cannot be read, with ERR_TIMEOUT when git takes too long.
   */
  enter(directory: string, names: readonly string[]): Promise<void> | undefined;
  leavesOut(path: string, isDirectory: boolean): boolean;
  /** Whether a given pattern excludes the path or one of its parent directories. */
  excludes(path: string, isDirectory: boolean): boolean;
}

/** Reads the rules of the tree at `top`, an absolute path. Throws ERR_LOCAL_FILE and ERR_TIMEOUT. */
export async function ignoreRules(top: string, options: IgnoreOptions): Promise<IgnoreRules> {
  const { noIgnore = false, exclude = [] } = options;
  const excluded = new IgnorePatterns(exclude);
  const isGit = !noIgnore && gitWorkTree(top) !== undefined;
  const git = isGit ? new GitIgnored(top, options) : undefined;
  await git?.ask('');
  const files = noIgnore ? undefined : new IgnoreFiles(top);
  const enter = async (directory: string, names: readonly string[]) => {
    files?.enter(directory, names);
    if (names.includes('.gitignore')) git?.requireReadable(directory);
    // git does not report files of a nested repository.
    if (names.includes('.git') && directory !== '') await git?.ask(directory);
  };
  return {
    enter: (directory, names) => {
      const hasRules = [ignoreFileName, '.gitignore', '.git'].some((name) => names.includes(name));
      return hasRules && !noIgnore ? enter(directory, names) : undefined;
    },
    leavesOut: (path, isDirectory) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name === '.git' || name === ownDirectory) return true;
      if (excluded.test(path, isDirectory) === true) return true;
      if (options.leavesOut?.(path, isDirectory) === true) return true;
      if (noIgnore) return false;
      // As with ripgrep, the tool's own ignore file takes precedence: it can also re-include what git ignores.
      const said = files?.ignores(path, isDirectory);
      if (said !== undefined) return said;
      return git?.ignores(path, isDirectory) ?? (!isDirectory && isEditorBackup(name));
    },
    excludes: (path, isDirectory) => excluded.test(path, isDirectory) === true,
  };
}

/** Backup files of emacs (`#x#`, `.#x`, `x~`) and vi (`.x.swp`). */
export const isEditorBackup = (name: string): boolean => /^#.+#$|^\.#.|.~$|^\..+\.swp$/s.test(name);

/** What git ignores in a repository and in those inside it. */
class GitIgnored {
  readonly #top: string;
  readonly #options: GitOptions;
  /** By the path prefix of a repository: what it excludes. */
  readonly #ignored = new Map<string, ReadonlySet<string>>();

  constructor(top: string, options: GitOptions) {
    this.#top = top;
    this.#options = options;
  }

  /** Asks git about the repository in this directory; empty for the top. */
  async ask(directory: string): Promise<void> {
    const shown = directory === '' ? this.#top : directory;
    const ignored = await gitIgnored(join(this.#top, directory), { ...this.#options, shown });
    if (ignored.size > 0) this.#ignored.set(directory === '' ? '' : `${directory}/`, ignored);
  }

  /** Throws ERR_LOCAL_FILE unless the directory's `.gitignore` can be read. */
  requireReadable(directory: string): void {
    const path = join(this.#top, directory, '.gitignore');
    try {
      if (lstatSync(path).isFile()) accessSync(path, constants.R_OK);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw unreadable(directory, '.gitignore', error);
    }
  }

  ignores(path: string, isDirectory: boolean): boolean {
    for (const [prefix, ignored] of this.#ignored) {
      if (!path.startsWith(prefix)) continue;
      const below = path.slice(prefix.length);
      if (ignored.has(isDirectory ? `${below}/` : below)) return true;
    }
    return false;
  }
}

function unreadable(directory: string, name: string, cause: unknown): GomoteError {
  const reason = cause instanceof GomoteError ? cause.message : reasonOf(cause);
  const message = `${directory === '' ? '' : `${directory}: `}cannot read its ${name}: ${reason}`;
  return new GomoteError('ERR_LOCAL_FILE', message, {
    hint: `correct that, or ${leaveNothingOut}`,
    cause,
  });
}

/** Reading a FIFO would block this process, and a device may never end. */
function readRules(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new GomoteError('ERR_LOCAL_FILE', 'it is not a file');
    return nameFromBytes(readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** The `.gomoteignore` files of a tree. */
export class IgnoreFiles {
  readonly #top: string;
  /** By directory, empty for the top; only directories that have one. */
  readonly #patterns = new Map<string, IgnorePatterns>();

  constructor(top: string) {
    this.#top = top;
  }

  enter(directory: string, names: readonly string[]): void {
    if (!names.includes(ignoreFileName)) return;
    const path = `${this.#top}/${directory === '' ? '' : `${directory}/`}${ignoreFileName}`;
    try {
      this.#patterns.set(directory, new IgnorePatterns(ignoreLines(readRules(path))));
    } catch (error) {
      throw unreadable(directory, ignoreFileName, error);
    }
  }

  /** The result of the nearest file with a matching pattern; undefined when there is none. */
  ignores(path: string, isDirectory: boolean): boolean | undefined {
    if (this.#patterns.size === 0) return undefined;
    for (let end = path.lastIndexOf('/'); ; end = path.lastIndexOf('/', end - 1)) {
      const directory = end < 0 ? '' : path.slice(0, end);
      const below = end < 0 ? path : path.slice(end + 1);
      const said = this.#patterns.get(directory)?.test(below, isDirectory);
      if (said !== undefined) return said;
      if (end < 0) return undefined;
    }
  }
}
