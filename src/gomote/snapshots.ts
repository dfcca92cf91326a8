// Snapshots of buildlets, kept on this machine: made, listed, removed, and put into new buildlets.
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

/** What `snapshot` takes. */
export interface SnapshotOptions extends CallOptions {
  /** What is left out with all below it: paths relative to the work directory. */
  readonly exclude?: readonly string[] | undefined;
  /** The most that it may hold, in bytes. Default: 32 GiB. */
  readonly maxBytes?: number | undefined;
}

/** Those of the user of this machine. */
export const userSnapshots = (environment: NodeJS.ProcessEnv): SnapshotStore =>
  new SnapshotStore(
    join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-snapshots'),
  );

/** Keeps what is in the work directory of the buildlet, as it is now. */
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

/** What a `fork` is made from begins so; it is removed when that is done. */
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

/** The name of one that was given none: the buildlet's, and a number. */
function nextTag(store: SnapshotStore, instance: string): string {
  const stem = instance.replaceAll(/[^\w.-]/g, '-');
  checkTag(`${stem}-1`);
  for (let n = 1; ; n++) {
    const tag = `${stem}-${n}`;
    if (store.find(tag) === undefined) return tag;
  }
}

/** The work directory of a buildlet of this machine, as far as it is where this machine keeps its files. */
async function workDirHere(
  client: BuildletClient,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { sharedDirectory } = await client.trees();
  if (sharedDirectory === undefined) return undefined;
  const path = await client.workDir({ signal });
  return dirname(path) === sharedDirectory ? path : undefined;
}

/** Puts a snapshot into a new buildlet. */
export type Restore = (client: BuildletClient, signal: AbortSignal) => Promise<void>;

/** What puts the snapshot into a new buildlet. Throws ERR_UNKNOWN_SNAPSHOT. */
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
