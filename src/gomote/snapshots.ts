// Local snapshots of buildlets: creates, lists, removes and restores them.
import { dirname, join } from 'node:path';
import {
  defaultLimitBytes,
  restoreArchives,
  saveArchives,
} from '../backends/snapshots/archives.ts';
import { prepareCopy, prepareLater, takeCopy } from '../backends/snapshots/ready-copy.ts';
import { checkTag, type Snapshot } from '../backends/snapshots/record.ts';
import { SnapshotStore } from '../backends/snapshots/store.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { CallOptions } from '../client/client-options.ts';
import { userDirectory } from '../files/user-directories.ts';
import { splitName } from './buildlet-name.ts';
import { directoryInside } from './inside.ts';
import type { Place } from './place.ts';

export type { Snapshot } from '../backends/snapshots/record.ts';

/** The options of `snapshot`. */
export interface SnapshotOptions extends CallOptions {
  /** Paths to exclude with everything below them, relative to the work directory. */
  readonly exclude?: readonly string[] | undefined;
  /** The maximum size, in bytes. Default: 32 GiB. */
  readonly maxBytes?: number | undefined;
}

/** The snapshots of the user of this machine. */
export const userSnapshots = (environment: NodeJS.ProcessEnv): SnapshotStore =>
  new SnapshotStore(
    join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-snapshots'),
  );

/** Stores the current work directory of the buildlet. */
export async function takeSnapshot(
  { name, client, builder, backends }: Place,
  tag: string | undefined,
  {
    exclude = [],
    maxBytes = defaultLimitBytes,
    isAutomatic = false,
    signal,
  }: SnapshotOptions & { signal: AbortSignal; isAutomatic?: boolean },
): Promise<Snapshot> {
  const left = exclude.map((path) => directoryInside('--exclude', path));
  const { backend = await backends.defaultName(), instance } = splitName(name);
  const store = userSnapshots(backends.settings.environment);
  const made = await store.add(tag ?? nextTag(store, instance), async (directory) => ({
    ...{ kind: 'files', backend, buildlet: instance, isAutomatic, excluded: left },
    builderType: builder?.name ?? '',
    hostType: builder?.hostType ?? '',
    ...(await saveArchives(client, directory, { exclude: left, limitBytes: maxBytes, signal })),
  }));
  const { sharedDirectory } = await client.trees();
  if (sharedDirectory !== undefined) prepare(store, made.tag, backends.settings.environment);
  return made;
}

/** The prefix of temporary snapshots, which `fork` removes at its end. */
export const forkPrefix = 'fork-';

function prepare(store: SnapshotStore, tag: string, environment: NodeJS.ProcessEnv): void {
  if (!tag.startsWith(forkPrefix)) prepareLater(store, tag, environment);
}

/** Unpacks a copy of a snapshot, for the next buildlet of this machine. */
export async function prepareSnapshot(
  tag: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  await prepareCopy(userSnapshots(environment), tag, signal);
}

/** The default name: that of the buildlet, and a number. */
function nextTag(store: SnapshotStore, instance: string): string {
  const stem = instance.replaceAll(/[^\w.-]/g, '-');
  checkTag(`${stem}-1`);
  for (let n = 1; ; n++) {
    const tag = `${stem}-${n}`;
    if (store.find(tag) === undefined) return tag;
  }
}

/** The local path of the work directory; undefined for a buildlet that does not share the files of this machine. */
async function workDirHere(
  client: BuildletClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { sharedDirectory } = await client.trees();
  if (sharedDirectory === undefined) return undefined;
  const path = await client.workDir({ signal });
  return dirname(path) === sharedDirectory ? path : undefined;
}

/** Restores a snapshot in a new buildlet. */
export type Restore = (client: BuildletClient, signal: AbortSignal) => Promise<void>;

/** Returns a function that restores the snapshot in a new buildlet. Throws ERR_UNKNOWN_SNAPSHOT. */
export function restorer(tag: string, environment: NodeJS.ProcessEnv): Restore {
  const store = userSnapshots(environment);
  const { hasRecords } = store.get(tag);
  return async (client, signal) => {
    const workDir = await workDirHere(client, signal);
    if (workDir === undefined || !(await takeCopy(store, tag, workDir, signal))) {
      await restoreArchives(client, store.directory(tag), { hasRecords, signal });
    }
    store.use(tag);
    if (workDir !== undefined) prepare(store, tag, environment);
  };
}
