import { constants } from 'node:fs';
import { type GomoteError, isGomoteError } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { accessSync, realpathSync, statSync } from '../../files/named-fs.ts';
import { directoryOf } from '../../protocol/relative-path.ts';
import { localFileError } from '../../tar/archive-error.ts';
import { type FoundEntry, walkSteps } from '../../tree/tree-walk.ts';
import { type IgnoreOptions, type IgnoreRules, ignoreRules } from '../ignore/ignore-rules.ts';
import { localModes, type WithMode } from './local-modes.ts';

export interface LocalTree {
  /** Absolute, without links. */
  readonly top: string;
  /** In the order of paths, without digests. */
  readonly entries: readonly FoundEntry[];
  /** FIFOs, devices and sockets, which a tree cannot contain. */
  readonly others: readonly string[];
  /** What is skipped although no rule excludes it, and why. */
  readonly unsent: ReadonlyMap<string, GomoteError>;
  /** When reading began: files that have changed since may not be as read. */
  readonly readAtMs: number;
}

export interface LocalTreeOptions extends IgnoreOptions {
  /** Called for each directory before it is listed; empty for the top. */
  readonly onEnter?: ((path: string) => void) | undefined;
  /** Why an entry must be skipped; undefined when it can be sent. */
  readonly refuses?: ((entry: FoundEntry) => GomoteError | undefined) | undefined;
  /** Default: this one. */
  readonly platform?: NodeJS.Platform | undefined;
}

/** The real path of a local directory. Throws ERR_LOCAL_FILE. */
export function realDirectory(directory: string): string {
  try {
    const real = realpathSync(directory);
    if (statSync(real).isDirectory()) return real;
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  } catch (error) {
    throw localError('read', directory, error, 'give the directory to push');
  }
}

/** How long a walk may block the event loop, in ms. */
const turnMs = 5;

/** Reads names, kinds and times below a directory, in short steps between other work. */
export class LocalWalk implements LocalTree {
  readonly top: string;
  readonly readAtMs = Date.now();
  readonly entries: FoundEntry[] = [];
  readonly others: string[] = [];
  readonly unsent = new Map<string, GomoteError>();
  readonly #rules: IgnoreRules;
  readonly #withMode: WithMode | undefined;
  readonly #refuses: (entry: FoundEntry) => GomoteError | undefined;
  readonly #steps: Iterator<readonly FoundEntry[]>;
  #entering: Promise<void> | undefined;
  #entered = '';
  #isOver = false;

  private constructor(
    top: string,
    rules: IgnoreRules,
    withMode: WithMode | undefined,
    options: LocalTreeOptions,
  ) {
    this.top = top;
    this.#rules = rules;
    this.#withMode = withMode;
    this.#refuses = (entry) => options.refuses?.(entry) ?? unreadable(top, entry);
    this.#steps = walkSteps(top, {
      onEnter: options.onEnter,
      onDirectory: (directory, names) => {
        this.#entered = directory;
        this.#entering = rules.enter(directory, names);
      },
      leaveOut: (path, isDirectory) =>
        (this.unsent.size > 0 && this.unsent.has(directoryOf(path))) ||
        rules.leavesOut(path, isDirectory),
      onOther: (path) => this.others.push(path),
      onProblem: (path, error) => this.#leave(path, error),
    });
  }

  /** `top` is a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
  static async begin(top: string, options: LocalTreeOptions): Promise<LocalWalk> {
    const [rules, withMode] = await Promise.all([
      ignoreRules(top, options),
      localModes(top, options, options.platform),
    ]);
    return new LocalWalk(top, rules, withMode, options);
  }

  /**
   * Whether a path that is not among the entries, but was sent before, is kept there: it still exists here, but
   * is excluded. `isMirror`: only what could not be sent and what `exclude` names.
   */
  keeps(path: string, isDirectory: boolean, isMirror: boolean): boolean {
    const { excludes, leavesOut } = this.#rules;
    const isLeftOut = isMirror ? excludes : leavesOut;
    if (this.unsent.has(path) || isLeftOut(path, isDirectory)) return true;
    const parent = directoryOf(path);
    return parent !== '' && this.keeps(parent, true, isMirror);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Walks for one step. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
  async walk(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const turnEndsAtMs = performance.now() + turnMs;
    while (!this.#isOver && performance.now() < turnEndsAtMs) {
      const step = this.#steps.next();
      if (step.done) this.#isOver = true;
      else for (const entry of step.value) this.#take(entry);
      if (this.#entering !== undefined) await this.#enter(this.#entering);
    }
  }

  #take(found: FoundEntry): void {
    const entry = this.#withMode?.(found) ?? found;
    const why = this.#refuses(entry);
    if (why === undefined) this.entries.push(entry);
    else this.#leave(entry.path, why);
  }

  /** The first reason is reported. */
  #leave(path: string, why: GomoteError): void {
    if (!this.unsent.has(path)) this.unsent.set(path, why);
  }

  /** Unreadable rules affect only their directory; those of the top must be readable. */
  async #enter(entering: Promise<void>): Promise<void> {
    this.#entering = undefined;
    try {
      await entering;
    } catch (error) {
      const isLocal = isGomoteError(error, 'ERR_LOCAL_FILE');
      if (!isLocal || this.#entered === '') throw error;
      this.#leave(this.#entered, error);
    }
  }

  async finish(): Promise<LocalTree> {
    while (!this.#isOver) await this.walk();
    return this;
  }
}

/** All entries below `top`, a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
export const readLocalTree = async (top: string, options: LocalTreeOptions): Promise<LocalTree> =>
  await (await LocalWalk.begin(top, options)).finish();

/**
 * Why a file cannot be read, or a directory listed and entered. World-readable entries are not checked: they are most, and
 * checking takes time.
 */
function unreadable(top: string, { kind, path, mode }: FoundEntry): GomoteError | undefined {
  const bits = kind === 'file' ? 0o444 : 0o555;
  if (kind === 'symlink' || (mode & bits) === bits) return undefined;
  try {
    accessSync(
      `${top}/${path}`,
      kind === 'file' ? constants.R_OK : constants.R_OK | constants.X_OK,
    );
    return undefined;
  } catch (error) {
    return localFileError(path, error);
  }
}
