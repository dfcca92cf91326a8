// Fetches a tree of a buildlet.
import { basename, resolve } from 'node:path';
import type { CallOptions } from '../client/client-options.ts';
import { currentDirectory } from '../files/named-fs.ts';
import { cacheDirectory } from '../files/user-directories.ts';
import type { Compression } from '../protocol/transfer.ts';
import { gitWorkTree } from '../sync/ignore/git.ts';
import { pull } from '../sync/pull/pull.ts';
import type { PullOptions, PullSummary } from '../sync/pull/pull-options.ts';
import { inSpan } from '../tracing.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { throwIncompletePull } from './incomplete.ts';
import { onPath } from './remote-path.ts';
import { directoryInside } from './work-dir-path.ts';

/** The options of `pull`. */
export interface PullTreeOptions extends CallOptions {
  /** The local directory. Default: the base name of the remote one; without a remote one, this tree. */
  readonly to?: string | undefined;
  /** Pulls only what the buildlet's commands have created or changed since the push. */
  readonly changedOnly?: boolean | undefined;
  /** Patterns as in a .gitignore; pulls only what matches. */
  readonly only?: readonly string[] | undefined;
  /** Also overwrites files that were changed locally, or have a different type. Default false. */
  readonly force?: boolean | undefined;
  /** Writes files that would overwrite local changes as NAME.remote beside them. Default false. */
  readonly keepBoth?: boolean | undefined;
  /** Changes nothing; the summary shows what would be pulled. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Patterns to exclude, as in a .gitignore at the top of the tree. */
  readonly exclude?: readonly string[] | undefined;
  /** Whether to pull files that git, .gomoteignore and the rule for backup files exclude. Default false. */
  readonly noIgnore?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Called with the number of received bytes of files. */
  readonly onCome?: ((bytes: number) => void) | undefined;
}

/** A normalized remote directory, and a local one. */
interface PullPlace {
  readonly dir: string;
  readonly to: string;
}

/** The remote and the local directory; without `remote`, where `push` would put the tree around the current directory. */
export function pullPlace(remote: string | undefined, to: string | undefined): PullPlace {
  const tree = gitWorkTree(currentDirectory()) ?? currentDirectory();
  const dir = directoryInside('the directory', remote ?? basename(tree));
  const here = to ?? (remote === undefined ? tree : dir === '.' ? '.' : basename(dir));
  return { dir, to: resolve(currentDirectory(), here) };
}

/** Pulls, and returns what was fetched and what was not. */
export async function pullInto(
  { name, client, backends }: ConnectedBuildlet,
  { dir, to }: PullPlace,
  { signal, ...options }: Omit<PullTreeOptions, 'to'> & Pick<PullOptions, 'replacesUnknown'>,
): Promise<PullSummary> {
  const { environment } = backends.settings;
  const all: PullOptions = {
    environment,
    cacheDirectory: cacheDirectory(environment),
    storeBytes: (await backends.config()).pull?.storeBytes,
    ...options,
    dir,
    signal: backends.signalOf({ signal }),
  };
  const attributes = { 'gomote.buildlet': name };
  return await inSpan('fetch', { attributes }, () =>
    onPath(name, dir, () => pull(client, to, all)),
  );
}

/** Pulls. Throws also when something was not fetched. */
export async function pullTree(
  buildlet: ConnectedBuildlet,
  remote: string | undefined,
  { to, ...options }: PullTreeOptions,
): Promise<PullSummary> {
  const summary = await pullInto(buildlet, pullPlace(remote, to), options);
  throwIncompletePull(summary, options);
  return summary;
}
