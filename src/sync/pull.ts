// Makes a directory of this machine hold what one of a buildlet holds. Nothing is removed here.
import { basename, dirname, join, resolve } from 'node:path';
import { type FoundEntry, look } from '../archive/tree-walk.ts';
import { TreeWriter } from '../archive/tree-writer.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { existsSync, lstatSync, mkdirSync, readdirSync, realpathSync } from '../files/named-fs.ts';
import type { Compression } from '../protocol/transfer.ts';
import type { DigestAlgorithm, TreeEntry } from '../protocol/tree-entry.ts';
import { LocalCache } from './local-cache.ts';
import { type Source, withSource } from './source.ts';

export interface PullOptions {
  /** Of the buildlet, relative to the work dir, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Only what the buildlet's commands have made or changed since the push. */
  readonly changedOnly?: boolean | undefined;
  /** Also overwrites what is newer here, or of another kind. */
  readonly force?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  readonly cacheDirectory?: string | undefined;
  /** Told of bytes of files as they have come. */
  readonly onCome?: ((bytes: number) => void) | undefined;
}

export interface PullSummary {
  readonly files: number;
  readonly bytes: number;
  readonly wireBytes: number;
  /** Paths left alone, for what is here is newer or of another kind. */
  readonly kept: readonly string[];
  /** Symbolic links not made, for they lead out of the directory. */
  readonly refused: readonly string[];
}

/** Pulls into `to`, which is made if it is absent. Throws ERR_LOCAL_FILE when there is no such directory there. */
export async function pull(
  client: BuildletClient,
  to: string,
  options: PullOptions,
): Promise<PullSummary> {
  const { dir, signal, compress = 'auto' } = options;
  const top = realPathOf(resolve(to));
  let wireBytes = 0;
  const sourceOptions = {
    dir,
    signal,
    compress,
    onWire: (bytes: number) => {
      wireBytes += bytes;
    },
    stageIn: dirname(top),
  };
  const result = await withSource(client, sourceOptions, (source) =>
    pullFrom(source, top, options),
  );
  return { ...result, wireBytes };
}

/** A link is followed; above a directory that is not there, those that are missing are made. */
function realPathOf(to: string): string {
  if (existsSync(to)) return realpathSync(to);
  mkdirSync(dirname(to), { recursive: true });
  return join(realpathSync(dirname(to)), basename(to));
}

async function pullFrom(
  source: Source,
  top: string,
  options: PullOptions,
): Promise<Omit<PullSummary, 'wireBytes'>> {
  const refused: string[] = [];
  const writer = new TreeWriter(dirname(top), basename(top), {
    linksStayInTree: true,
    onLeadsOut: ({ path }) => refused.push(path),
    onDone: (change) => {
      if (change.op === 'write' && change.entry.kind === 'file')
        options.onCome?.(change.entry.size);
    },
  });
  const isAll = isAbsentOrEmpty(top) && options.changedOnly !== true;
  const choice = isAll ? undefined : await choose(source, top, options);
  if (choice?.wanted.length === 0) return { files: 0, bytes: 0, kept: choice.kept, refused };
  try {
    await source.fetch(choice?.wanted, writer);
    writer.finish();
  } finally {
    writer.abandon();
  }
  return { ...writer.totals, kept: choice?.kept ?? [], refused };
}

function isAbsentOrEmpty(top: string): boolean {
  const stats = lstatSync(top, { throwIfNoEntry: false });
  return stats === undefined || (stats.isDirectory() && readdirSync(top).length === 0);
}

/** What is to come, and what stays as it is here. */
async function choose(
  source: Source,
  top: string,
  options: PullOptions,
): Promise<{ wanted: TreeEntry[]; kept: string[] }> {
  const changed = options.changedOnly
    ? new Set((await source.differences()).map(({ path }) => path))
    : undefined;
  if (changed?.size === 0) return { wanted: [], kept: [] };
  const entries = await source.entries();
  const cache = new LocalCache(options.cacheDirectory, top, 'pull');
  const seen: FoundEntry[] = [];
  const wanted: TreeEntry[] = [];
  const kept: string[] = [];
  let below: string | undefined;
  for (const entry of entries) {
    if (changed?.has(entry.path) === false) continue;
    if (below !== undefined && entry.path.startsWith(below)) continue;
    const here = look(top, entry.path);
    if (typeof here === 'object') seen.push(here);
    const verdict = compare(entry, here, source.algorithm, cache);
    if (verdict === 'same') continue;
    if (verdict === 'wanted' || options.force === true) wanted.push(entry);
    else {
      kept.push(entry.path);
      // What is in a directory that something else has the place of cannot come, either.
      if (entry.kind === 'directory') below = `${entry.path}/`;
    }
  }
  if (changed === undefined) cache.save(seen, false);
  return { wanted, kept };
}

function compare(
  entry: TreeEntry,
  here: ReturnType<typeof look>,
  algorithm: DigestAlgorithm,
  cache: LocalCache,
): 'same' | 'wanted' | 'newer here' {
  if (here === undefined) return 'wanted';
  if (here === 'other' || here.kind !== entry.kind) return 'newer here';
  if (entry.kind === 'directory') return here.mode === entry.mode ? 'same' : 'wanted';
  const isSame =
    entry.kind === 'symlink'
      ? here.target === entry.target
      : here.size === entry.size && cache.digest(here, algorithm) === entry.digest;
  if (isSame && here.mode === entry.mode) return 'same';
  // The base protocol tells seconds.
  const seconds = (timeMs: number) => Math.floor(timeMs / 1000);
  if (isSame) return 'wanted';
  return seconds(here.mtimeMs) > seconds(entry.mtimeMs) ? 'newer here' : 'wanted';
}
