import { type FoundEntry, walkSteps } from '../archive/tree-walk.ts';
import { errnoOf, GomoteError } from '../errors.ts';
import { realpathSync, statSync } from '../files/named-fs.ts';
import { errnoText } from '../protocol/process-state.ts';
import { type IgnoreOptions, type IgnoreRules, ignoreRules } from './ignore-rules.ts';

export interface LocalTree {
  /** Absolute, without links. */
  readonly top: string;
  /** In the order of paths, without digests. */
  readonly entries: readonly FoundEntry[];
  /** FIFOs, devices and sockets, which a tree cannot have. */
  readonly others: readonly string[];
  /** When the reading began: what has changed since may not be what was read. */
  readonly readMs: number;
}

/** The real path of a directory of this machine; throws ERR_LOCAL_FILE. */
export function realDirectory(directory: string): string {
  try {
    const real = realpathSync(directory);
    if (statSync(real).isDirectory()) return real;
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  } catch (error) {
    const reason = errnoText(errnoOf(error) ?? String(error));
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read "${directory}": ${reason}`, {
      hint: 'give the directory to push',
      cause: error,
    });
  }
}

/** How long a walk may hold up everything else, in ms. */
const turnMs = 5;

/** The reading of names, kinds and times below a directory, in turns with whatever else there is to do. */
export class LocalWalk implements LocalTree {
  readonly top: string;
  readonly readMs = Date.now();
  /** Those found so far. */
  readonly entries: FoundEntry[] = [];
  readonly others: string[] = [];
  readonly #steps: Iterator<readonly FoundEntry[]>;
  #entering: Promise<void> | undefined;
  #isOver = false;

  private constructor(top: string, rules: IgnoreRules) {
    this.top = top;
    this.#steps = walkSteps(top, {
      onDirectory: (directory, names) => {
        this.#entering = rules.enter(directory, names);
      },
      leaveOut: rules.leavesOut,
      onOther: (path) => this.others.push(path),
    });
  }

  /** `top` is a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
  static async begin(top: string, options: IgnoreOptions): Promise<LocalWalk> {
    return new LocalWalk(top, await ignoreRules(top, options));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Walks on for a turn. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
  async walk(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const turnEndsMs = performance.now() + turnMs;
    while (!this.#isOver && performance.now() < turnEndsMs) {
      const step = this.#steps.next();
      if (step.done) this.#isOver = true;
      else for (const entry of step.value) this.entries.push(entry);
      const entering = this.#entering;
      if (entering === undefined) continue;
      this.#entering = undefined;
      await entering;
    }
  }

  /** Walks to the end. */
  async finish(): Promise<LocalTree> {
    while (!this.#isOver) await this.walk();
    return this;
  }
}

/** All that is below `top`, a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
export const readLocalTree = async (top: string, options: IgnoreOptions): Promise<LocalTree> =>
  await (await LocalWalk.begin(top, options)).finish();
