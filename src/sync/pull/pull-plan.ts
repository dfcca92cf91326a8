// Plans a pull, entry by entry: what exists here, what exists there, and what gomote itself put here before.
import { errnoOf, isGomoteError, messageOf } from '../../errors.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { directoriesAbove } from '../../protocol/relative-path.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import { type FoundEntry, look } from '../../tree/tree-walk.ts';
import type { PullRules } from '../ignore/pull-rules.ts';
import type { KnownStates } from '../local/known-states.ts';
import type { LocalCache } from '../local/local-cache.ts';
import { modeHere, whyEntryRefused } from './wanted-sink.ts';

/** Why a local entry is kept. */
export type Conflict = 'changed' | 'removed' | 'unknown' | 'in the way';

export interface PullPlan {
  readonly wanted: TreeEntry[];
  /** By path: why the local entry is kept. */
  readonly conflicts: Map<string, Conflict>;
  /** By path: why the entry is never created here. */
  readonly refused: Map<string, string>;
  /** By path: why the entry cannot be compared with the local one. */
  readonly failed: Map<string, string>;
  /** The local entry at the path of each wanted entry. */
  readonly seen: Map<string, FoundEntry | undefined>;
  readonly same: TreeEntry[];
  /** Paths that the local rules exclude; for a directory, not those below it. */
  readonly ignored: string[];
  /** By path: the local path of the copy beside a kept entry. */
  readonly renamed: Map<string, string>;
}

interface PullPlanOptions {
  readonly top: string;
  readonly umask: number;
  readonly algorithm: DigestAlgorithm;
  readonly cache: LocalCache;
  readonly known: KnownStates;
  /** Whether the directory was empty before: missing entries were not removed. */
  readonly isNew: boolean;
  readonly force: boolean;
  /** Whether entries that cannot be written get a copy beside the local one. */
  readonly keepBoth: boolean;
  /** Whether entries that were neither pushed nor pulled are overwritten. */
  readonly replacesUnknown: boolean;
  readonly rules: PullRules;
  /** The system of the local tree. */
  readonly platform?: NodeJS.Platform | undefined;
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
  readonly found: FoundEntry[] = [];
  readonly #options: PullPlanOptions;
  /** Entries below it are skipped. Entries are sorted, so that only the last such directory matters. */
  #closed: string | undefined;
  /** A new directory in place of another kind of entry: everything below it is new. */
  #fresh: string | undefined;
  /** Entries below it are written elsewhere. */
  #moved: { readonly from: string; readonly to: string } | undefined;
  readonly #real = new Set<string>();

  constructor(options: PullPlanOptions) {
    this.#options = options;
  }

  /** Plans the next entry, in the order of paths. */
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
    if (unread.size === 0) return false;
    for (const directory of directoriesAbove(path)) {
      const reason = unread.get(directory);
      if (reason === undefined) continue;
      this.plan.failed.set(directory, reason);
      return true;
    }
    return false;
  }

  /** A local path that cannot be read affects only that path. */
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
      // Only its mode.
      this.plan.conflicts.set(path, verdict);
    } else this.#keep(entry, path, verdict);
  }

  /** Keeps the local entry at `place`, the path or one of its parents, and everything below it. */
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

  /** Assigns another local path to the entry, unless somebody's file is there. */
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

  /** The local entry in place of a parent directory of the path. */
  #blockerOf(path: string): string | undefined {
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
      const directory = path.slice(0, end);
      if (this.#real.has(directory)) continue;
      const found = look(this.#options.top, directory);
      // Nothing can be below a missing directory.
      if (found === undefined) return undefined;
      if (found === 'other' || found.kind !== 'directory') return directory;
      this.#real.add(directory);
    }
    return undefined;
  }

  #verdict(entry: TreeEntry, here: ReturnType<typeof look>): Verdict {
    const { known, cache, isNew, umask, platform = process.platform } = this.#options;
    if (here === undefined) {
      const wasRemoved = !isNew && known.hadPath(entry.path);
      return wasRemoved && !this.#options.replacesUnknown ? 'removed' : 'wanted';
    }
    if (here === 'other') return 'in the way';
    if (here.kind !== entry.kind) {
      // A directory may contain files that were never sent.
      return here.kind !== 'directory' && known.has(here, cache) ? 'wanted' : 'in the way';
    }
    const hasSameMode =
      // Windows keeps no modes.
      platform === 'win32' ||
      here.mode === entry.mode ||
      modeHere(here, umask) === modeHere(entry, umask);
    if (this.#hasSameContent(entry, here)) {
      if (hasSameMode) return 'same';
      if (known.has(here, cache)) return 'wanted';
      if (known.hadPath(entry.path)) return 'changed';
      // The owner of the change is unknown: a directory keeps its mode, a file gets it with its content.
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
