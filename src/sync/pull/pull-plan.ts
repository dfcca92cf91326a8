// What a pull has to do, entry by entry: what is here, what is there, and what gomote itself made of the place before.
import { errnoOf, isGomoteError, messageOf } from '../../errors.ts';
import { errnoText } from '../../protocol/process-state.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import { type FoundEntry, look } from '../../tree/tree-walk.ts';
import type { PullRules } from '../ignore/pull-rules.ts';
import type { KnownStates } from '../local/known-states.ts';
import type { LocalCache } from '../local/local-cache.ts';
import { modeHere, whyEntryRefused } from './wanted-sink.ts';

/** Why an entry is kept as it is here. */
export type Conflict = 'changed' | 'removed' | 'unknown' | 'in the way';

export interface PullPlan {
  readonly wanted: TreeEntry[];
  /** By path: of what was kept, why. */
  readonly conflicts: Map<string, Conflict>;
  /** By path: of what is never made here, why. */
  readonly refused: Map<string, string>;
  /** By path: of what cannot be compared with what is here, why. */
  readonly failed: Map<string, string>;
  /** What stood at the path of each wanted entry. */
  readonly seen: Map<string, FoundEntry | undefined>;
  /** What is the same at both ends. */
  readonly same: TreeEntry[];
  /** Paths that the rules here leave out; of a directory, not those below it. */
  readonly ignored: string[];
  /** By path: the other path here that what is wanted gets, beside what is kept. */
  readonly renamed: Map<string, string>;
}

interface PullPlanOptions {
  readonly top: string;
  readonly umask: number;
  readonly algorithm: DigestAlgorithm;
  readonly cache: LocalCache;
  readonly known: KnownStates;
  /** Whether nothing was here before: what is missing was not removed. */
  readonly isNew: boolean;
  readonly force: boolean;
  /** Whether what cannot have its path gets another one beside it. */
  readonly keepBoth: boolean;
  /** Whether what gomote has neither sent nor brought makes room. */
  readonly replacesUnknown: boolean;
  readonly rules: PullRules;
}

type Verdict = 'same' | 'wanted' | Conflict;

export class PullPlanner {
  readonly plan: PullPlan = {
    wanted: [],
    conflicts: new Map(),
    refused: new Map(),
    failed: new Map(),
    seen: new Map(),
    same: [],
    ignored: [],
    renamed: new Map(),
  };
  /** All that was looked at here. */
  readonly found: FoundEntry[] = [];
  readonly #options: PullPlanOptions;
  /** What is below it does not come; entries are in order, so that the last one is the one that matters. */
  #closed: string | undefined;
  /** Nothing will be below it but what comes: it takes the place of what was pushed or pulled as something else. */
  #fresh: string | undefined;
  /** What is below it gets another place. */
  #moved: { readonly from: string; readonly to: string } | undefined;
  /** Directories here that are known to be real. */
  readonly #real = new Set<string>();

  constructor(options: PullPlanOptions) {
    this.#options = options;
  }

  /** Takes the next entry, in the order of paths. */
  add(entry: TreeEntry): void {
    const { path } = entry;
    const isDirectory = entry.kind === 'directory';
    if (this.#closed !== undefined && path.startsWith(this.#closed)) return;
    const reason = whyEntryRefused(entry);
    if (reason !== undefined) this.plan.refused.set(path, reason);
    else if (this.#options.rules.leavesOut(path, isDirectory)) this.plan.ignored.push(path);
    else if (this.#hasUnreadRules(path)) return;
    else if (this.#wasCompared(entry)) return;
    if (isDirectory) this.#closed = `${path}/`;
  }

  #hasUnreadRules(path: string): boolean {
    const { unread } = this.#options.rules;
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const directory = path.slice(0, end);
      const reason = unread.get(directory);
      if (reason === undefined) continue;
      this.plan.failed.set(directory, reason);
      return true;
    }
    return false;
  }

  /** What of one place here cannot be read concerns that alone. */
  #wasCompared(entry: TreeEntry): boolean {
    try {
      this.#compare(entry);
      return true;
    } catch (error) {
      if (!isGomoteError(error, 'ERR_LOCAL_FILE')) throw error;
      const code = errnoOf(error.cause);
      this.plan.failed.set(entry.path, code === undefined ? messageOf(error) : errnoText(code));
      return false;
    }
  }

  #compare(entry: TreeEntry): void {
    const { top, force } = this.#options;
    const { path } = entry;
    const moved = this.#moved;
    if (moved !== undefined && path.startsWith(moved.from)) {
      const wasPut = this.#putBeside(entry, moved.to + path.slice(moved.from.length));
      if (!wasPut) this.plan.conflicts.set(path, 'in the way');
      return;
    }
    const isFresh = this.#fresh !== undefined && path.startsWith(this.#fresh);
    const blocker = isFresh ? undefined : this.#blockerOf(path);
    if (blocker !== undefined && !force) {
      this.#keep(entry, blocker, 'in the way');
      return;
    }
    const here = blocker === undefined && !isFresh ? look(top, path) : undefined;
    if (typeof here === 'object') this.found.push(here);
    const isNew = blocker !== undefined || isFresh;
    const verdict = isNew ? 'wanted' : this.#verdict(entry, here);
    if (verdict === 'same') {
      if (typeof here === 'object') this.plan.same.push({ ...entry, mode: here.mode });
    } else if (verdict === 'wanted' || force) {
      this.plan.wanted.push(entry);
      this.plan.seen.set(path, typeof here === 'object' ? here : undefined);
      const isReplaced = here !== undefined && here !== 'other' && here.kind !== entry.kind;
      if (entry.kind === 'directory' && isReplaced) this.#fresh = `${path}/`;
    } else if (
      entry.kind === 'directory' &&
      typeof here === 'object' &&
      here.kind === 'directory'
    ) {
      // Its mode alone.
      this.plan.conflicts.set(path, verdict);
    } else this.#keep(entry, path, verdict);
  }

  /** Keeps what is at `place`, the entry's path or a directory above it, and what would be below that. */
  #keep(entry: TreeEntry, place: string, conflict: Conflict): void {
    this.plan.conflicts.set(place, conflict);
    const isAll = place !== entry.path || entry.kind === 'directory';
    const beside = `${place}.remote`;
    const wasMade =
      this.#options.keepBoth && this.#putBeside(entry, beside + entry.path.slice(place.length));
    if (!isAll) return;
    if (wasMade) this.#moved = { from: `${place}/`, to: `${beside}/` };
    else this.#closed = `${place}/`;
  }

  /** Gives the entry another path here, unless something of somebody else's is there. */
  #putBeside(entry: TreeEntry, beside: string): boolean {
    const { top, known, cache } = this.#options;
    const here = this.#blockerOf(beside) === undefined ? look(top, beside) : 'other';
    if (here === 'other') return false;
    const isSame = here?.kind === entry.kind && this.#hasSameContent(entry, here);
    if (here !== undefined && !isSame && !known.has(here, cache)) return false;
    this.plan.renamed.set(entry.path, beside);
    if (isSame) return true;
    this.plan.wanted.push(entry);
    this.plan.seen.set(beside, here);
    return true;
  }

  /** What stands where a directory above the path must be. */
  #blockerOf(path: string): string | undefined {
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
      const directory = path.slice(0, end);
      if (this.#real.has(directory)) continue;
      const found = look(this.#options.top, directory);
      // Nothing is below what is not there, either.
      if (found === undefined) return undefined;
      if (found === 'other' || found.kind !== 'directory') return directory;
      this.#real.add(directory);
    }
    return undefined;
  }

  #verdict(entry: TreeEntry, here: ReturnType<typeof look>): Verdict {
    const { known, cache, isNew, umask } = this.#options;
    if (here === undefined) {
      const wasRemoved = !isNew && known.hadPath(entry.path);
      return wasRemoved && !this.#options.replacesUnknown ? 'removed' : 'wanted';
    }
    if (here === 'other') return 'in the way';
    if (here.kind !== entry.kind) {
      // A directory may hold what nobody has ever sent.
      return here.kind !== 'directory' && known.has(here, cache) ? 'wanted' : 'in the way';
    }
    const hasSameMode =
      here.mode === entry.mode || modeHere(here, umask) === modeHere(entry, umask);
    if (this.#hasSameContent(entry, here)) {
      if (hasSameMode) return 'same';
      if (known.has(here, cache)) return 'wanted';
      if (known.hadPath(entry.path)) return 'changed';
      // Nobody knows whose mode it is: that of a directory stays, that of a file comes with its content.
      return entry.kind === 'directory' ? 'same' : 'wanted';
    }
    if (known.has(here, cache)) return 'wanted';
    if (known.hadPath(entry.path)) return 'changed';
    return this.#options.replacesUnknown ? 'wanted' : 'unknown';
  }

  #hasSameContent(entry: TreeEntry, here: FoundEntry): boolean {
    if (entry.kind === 'directory') return true;
    if (entry.kind === 'symlink') return here.target === entry.target;
    if (here.size !== entry.size) return false;
    return this.#options.cache.digest(here, this.#options.algorithm) === entry.digest;
  }
}
