// Fetches a directory of a buildlet into a local one. Nothing is removed here, and nothing that is
// somebody's work here is overwritten: docs/pull.md.
import { basename, dirname, join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { fitsInPath } from '../../files/file-name.ts';
import { unlinkSync } from '../../files/named-fs.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { directoriesAbove } from '../../protocol/relative-path.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { specialFileText } from '../../protocol/unread.ts';
import type { ContentStore } from '../../store/content-store.ts';
import { withStore } from '../../tree/store-sink.ts';
import { look } from '../../tree/tree-walk.ts';
import { TreeWriter } from '../../tree/tree-writer.ts';
import { areSimple, pullRules, simpleRules } from '../ignore/pull-rules.ts';
import { KnownStates } from '../local/known-states.ts';
import { LocalCache } from '../local/local-cache.ts';
import { withRemoteTree } from '../remote/open.ts';
import type { RemoteTree } from '../remote/remote-tree.ts';
import { openKeptContents, takeKept } from './kept-contents.ts';
import { foldedName, whyOtherName } from './other-name.ts';
import type { PullOptions, PullSummary } from './pull-options.ts';
import { type Conflict, type PullPlan, PullPlanner } from './pull-plan.ts';
import { type PullTarget, pullTarget } from './pull-target.ts';
import { requestedEntries } from './requested-entries.ts';
import { outsideLink, WantedSink } from './wanted-sink.ts';

/** Pulls into `to`, which is created if missing. Throws ERR_LOCAL_FILE when that fails, or when the remote directory does not exist. */
export async function pull(
  client: BuildletClient,
  to: string,
  options: PullOptions,
): Promise<PullSummary> {
  const { dir, signal, compress = 'auto' } = options;
  const target = pullTarget(to, options.dryRun !== true);
  let wireBytes = 0;
  const remoteOptions = {
    dir,
    signal,
    compress,
    onWire: (bytes: number) => {
      wireBytes += bytes;
    },
    stageIn: dirname(target.top),
  };
  const kept = compress === 'auto' ? openKeptContents(options) : undefined;
  try {
    const result = await withRemoteTree(client, remoteOptions, (remote) =>
      new Pull(remote, target, options, kept).run(),
    );
    return { ...result, wireBytes };
  } finally {
    kept?.close();
  }
}

const conflictWords: Record<Conflict, string> = {
  changed: 'changed here',
  removed: 'removed here',
  unknown: 'differs here, and gomote did not write it',
  'in the way': 'something else is here',
};

class Pull {
  readonly #remote: RemoteTree;
  readonly #top: string;
  readonly #options: PullOptions;
  readonly #isNew: boolean;
  /** The umask at the start: reading it later would change it for a moment. */
  readonly #umask = process.umask();
  readonly #paths: string[] = [];
  /** What has come, by the name that a disk without case has for it. */
  readonly #placed = new Map<string, string>();
  /** Entries that were skipped while receiving everything. */
  readonly #ignored: string[] = [];
  readonly #others: string[] = [];
  readonly #kept = new Map<string, string>();
  readonly #refused = new Map<string, string>();
  readonly #failed = new Map<string, string>();
  #matched: readonly string[] | undefined;
  readonly #come: TreeEntry[] = [];
  /** Contents that need not be sent; undefined: all are sent. */
  #contents: ContentStore | undefined;
  #storedBytes = 0;

  constructor(
    remote: RemoteTree,
    { top, isNew }: PullTarget,
    options: PullOptions,
    contents: ContentStore | undefined,
  ) {
    this.#remote = remote;
    this.#contents = contents;
    this.#top = top;
    this.#options = options;
    this.#isNew = isNew;
  }

  async run(): Promise<Omit<PullSummary, 'wireBytes'>> {
    const { changedOnly, only, dryRun } = this.#options;
    const isAny = !changedOnly && !only && !dryRun;
    if (this.#contents && !(await this.#remote.sendsContents())) this.#contents = undefined;
    // A list says which contents are needed.
    const hasContents = this.#contents !== undefined && this.#contents.count > 0;
    const isAll = this.#isNew && isAny && !hasContents && areSimple(this.#top, this.#options);
    const plan = isAll ? undefined : await this.#plan();
    const totals =
      dryRun || plan?.wanted.length === 0
        ? totalsOf(plan?.wanted ?? [])
        : await this.#fetch(plan).finally(() => this.#save(plan));
    if (plan?.wanted.length === 0) this.#save(plan);
    if (dryRun) this.#paths.push(...(plan?.wanted ?? []).map(({ path }) => path));
    for (const [path, why] of plan?.conflicts ?? []) this.#keep(path, conflictWords[why]);
    for (const [path, why] of plan?.refused ?? []) this.#refused.set(path, why);
    for (const [path, why] of [...(plan?.failed ?? []), ...this.#remote.unread]) {
      if (why === specialFileText) this.#others.push(path);
      else this.#failed.set(path, why);
    }
    return {
      ...totals,
      storedBytes: this.#storedBytes,
      paths: this.#paths,
      kept: [...this.#kept.keys()],
      beside: [...(plan?.renamed.values() ?? [])],
      refused: [...this.#refused.keys()],
      others: this.#others,
      ignored: plan?.ignored ?? this.#ignored,
      failed: [...this.#failed.keys()],
      matched: this.#matched,
      reasons: new Map([...this.#kept, ...this.#refused, ...this.#failed]),
    };
  }

  async #plan(): Promise<PullPlan> {
    const { changedOnly, cacheDirectory, force = false, keepBoth = false } = this.#options;
    const remote = this.#remote;
    const top = this.#top;
    const { asked, matched } = await requestedEntries(remote, this.#options);
    this.#matched = matched;
    const entries = asked.filter(({ path }) => this.#fits(path));
    const cache = new LocalCache(cacheDirectory, top, 'pull');
    const planner = new PullPlanner({
      top,
      umask: this.#umask,
      algorithm: remote.algorithm,
      cache,
      known: this.#known(),
      isNew: this.#isNew,
      force,
      keepBoth,
      replacesUnknown: this.#options.replacesUnknown === true,
      rules: await pullRules(top, entries, this.#options),
    });
    for (const entry of entries) planner.add(entry);
    if (!changedOnly && this.#options.only === undefined) cache.save(planner.found, false);
    return planner.plan;
  }

  /** Set once the source has replied. */
  #known(): KnownStates {
    const { dir, cacheDirectory } = this.#options;
    return new KnownStates(cacheDirectory, {
      top: this.#top,
      identity: this.#remote.identity,
      dir,
    });
  }

  #save(plan: PullPlan | undefined): void {
    if (this.#options.dryRun) return;
    this.#known().savePulled([...(plan?.same ?? []), ...this.#come], this.#isNew);
  }

  async #fetch(plan: PullPlan | undefined): Promise<{ files: number; bytes: number }> {
    const top = this.#top;
    const wanted = plan && new Map(plan.wanted.map((entry) => [entry.path, entry]));
    const { force = false, onCome } = this.#options;
    const writer = new TreeWriter(dirname(top), basename(top), {
      linksStayInTree: true,
      onOutsideLink: ({ path }) => this.#refused.set(path, outsideLink),
      replaces: force,
      beforePlace: (entry) => this.#requireUntouched(entry, plan),
      onRefused: ({ path }, error) => {
        const isKept = error instanceof GomoteError && error.code === 'ERR_CONFLICT';
        if (isKept) this.#keep(path, 'changed here meanwhile');
        else this.#failed.set(path, reasonOf(error));
      },
      onDone: (change, digest) => {
        if (change.op !== 'write') return;
        const { entry } = change;
        this.#paths.push(entry.path);
        this.#placed.set(foldedName(entry.path), entry.path);
        const isFile = entry.kind === 'file';
        this.#come.push(
          isFile ? { ...entry, digest: this.#digestOf(entry, digest, wanted) } : entry,
        );
        if (isFile) onCome?.(entry.size);
      },
    });
    const leavesOut = simpleRules(this.#options);
    const sink = new WantedSink(writer, {
      wanted,
      umask: this.#umask,
      renamed: plan?.renamed ?? new Map(),
      leavesOut: (path, isDirectory) => {
        const isLeft = leavesOut(path, isDirectory);
        if (isLeft) this.#ignored.push(path);
        return isLeft;
      },
      onRefused: (path, reason) => this.#refuse(path, reason),
      onFailed: (path, reason) => this.#failed.set(path, reason),
    });
    try {
      const left = plan && (await this.#takeKept(plan, sink));
      if (left?.length !== 0) {
        await this.#remote.read(left, withStore(sink, this.#contents));
      }
      sink.finish();
      writer.finish();
    } finally {
      writer.abandon();
    }
    return writer.totals;
  }

  /** Returns what is left to be sent. */
  async #takeKept({ wanted }: PullPlan, sink: WantedSink): Promise<readonly TreeEntry[]> {
    if (this.#contents === undefined) return wanted;
    const { left, bytes } = await takeKept(wanted, this.#contents, sink, this.#options.signal);
    this.#storedBytes = bytes;
    return left;
  }

  /** Whether the path is valid here, and so is the path of a copy beside it. */
  #fits(path: string): boolean {
    const fits = fitsInPath(`${this.#top}/${path}.remote`);
    if (!fits) this.#refuse(path, 'file name too long');
    return fits;
  }

  #keep(path: string, reason: string): void {
    this.#kept.set(path, whyOtherName(this.#top, path) ?? reason);
  }

  /** Entries below a refused one are not listed. */
  #refuse(path: string, reason: string): void {
    for (const above of directoriesAbove(path)) if (this.#refused.has(above)) return;
    this.#refused.set(path, reason);
  }

  /** The digest by the source's algorithm, if it may match. */
  #digestOf(entry: TreeEntry, digest: string, wanted: Map<string, TreeEntry> | undefined): string {
    if (digest !== '' && this.#remote.algorithm === 'sha256') return digest;
    const listed = wanted?.get(entry.path);
    const isListed = listed?.size === entry.size && listed.mtimeMs === entry.mtimeMs;
    return isListed ? listed.digest : digest;
  }

  /** Throws ERR_CONFLICT when the local entry has changed since it was looked up. */
  #requireUntouched({ path, kind }: TreeEntry, plan: PullPlan | undefined): void {
    const other = this.#placed.get(foldedName(path));
    const isOther = other !== undefined && other !== path && kind !== 'directory';
    if (isOther && whyOtherName(this.#top, path) !== undefined) {
      throw new GomoteError('ERR_CONFLICT', `${path} would overwrite ${other}`);
    }
    if (this.#options.force) return;
    const before = plan?.seen.get(path);
    const now = look(this.#top, path);
    const isSame =
      now === undefined || now === 'other'
        ? now === before
        : now.kind === before?.kind &&
          (now.kind === 'directory' || (now.ino === before.ino && now.ctimeMs === before.ctimeMs));
    if (!isSame) throw new GomoteError('ERR_CONFLICT', `${path} was changed meanwhile`);
    // An entry that was pushed or pulled as another kind is replaced.
    if (kind === 'directory' && before !== undefined && before.kind !== kind) {
      unlinkSync(join(this.#top, path));
    }
  }
}

/** Only the system's message, if there is one: the path is shown beside it. */
function reasonOf(error: unknown): string {
  const code = error instanceof GomoteError ? errnoOf(error.cause) : undefined;
  return code === undefined ? messageOf(error) : errnoText(code);
}

function totalsOf(wanted: readonly TreeEntry[]): { files: number; bytes: number } {
  const files = wanted.filter(({ kind }) => kind === 'file');
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}
