// Snapshots of buildlets: made, and put into new buildlets.
import { dirname } from 'node:path';
import type { AnyBackend } from '../backends/backend.ts';
import {
  defaultLimitBytes,
  emptyWorkDir,
  forgetIdentity,
  restoreArchives,
  saveArchives,
} from '../backends/snapshots/archives.ts';
import { prepareCopy, prepareLater, useReadyCopy } from '../backends/snapshots/ready-copy.ts';
import type { SnapshotStore } from '../backends/snapshots/store.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError, isConnectionError, isGomoteError, messageOf } from '../errors.ts';
import type { Snapshot, SnapshotRecord } from '../protocol/snapshot.ts';
import type { Backends } from './backends.ts';
import { splitName } from './buildlet-name.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { requireImages, saveImage } from './snapshot-images.ts';
import { locate, named, serverOf, snapshotsHere, userSnapshots } from './snapshot-places.ts';
import { directoryInside } from './work-dir-path.ts';

export type { Snapshot } from '../protocol/snapshot.ts';

/** The options of `snapshot`. */
export interface SnapshotOptions extends CallOptions {
  /** Paths to exclude with everything below them, relative to the work directory. */
  readonly exclude?: readonly string[] | undefined;
  /**
   * `files`: the work directory, for buildlets of any kind. `image`: also the rest of the machine's file system, for buildlets of
   * the same backend, where it can keep that. Default: `files`.
   */
  readonly kind?: SnapshotRecord['kind'] | undefined;
  /** The maximum size, in bytes. Default: 32 GiB. */
  readonly maxBytes?: number | undefined;
  /** Whether to keep it on this machine, also where a coordinator keeps snapshots. Default false. */
  readonly here?: boolean | undefined;
  /** Whether all users of the coordinator that keeps it may use it. Default false. */
  readonly shared?: boolean | undefined;
}

export async function takeSnapshot(
  { name, client, builder, backends }: ConnectedBuildlet,
  tag: string | undefined,
  {
    exclude = [],
    kind = 'files',
    maxBytes,
    here = false,
    shared: isShared = false,
    isAutomatic = false,
    signal,
  }: SnapshotOptions & { signal: AbortSignal; isAutomatic?: boolean },
): Promise<Snapshot> {
  const left = exclude.map(excludedPath);
  const { backend = await backends.defaultName(), instance } = splitName(name);
  const opened = await backends.open(backend);
  const server = here ? undefined : await serverOf(opened, signal);
  if (kind === 'image') requireImages(opened, server, left);
  if (server !== undefined) {
    const taken = tag === undefined ? (await server.list({ signal })).map((one) => one.tag) : [];
    const free = tag ?? nextTag(instance, (one) => taken.includes(one));
    const options = { kind, exclude: left, maxBytes, isShared, isAutomatic, signal };
    return named(backend, await server.create(instance, free, options));
  }
  if (isShared) {
    throw new GomoteError('ERR_UNSUPPORTED', 'a snapshot on this machine cannot be shared', {
      hint: 'leave --shared out: only coordinators share snapshots',
    });
  }
  const store = snapshotsHere(backends);
  const free = tag ?? nextTag(instance, (one) => store.find(one) !== undefined);
  const limitBytes = maxBytes ?? defaultLimitBytes;
  const made = await store.add(free, async (directory) => {
    const image =
      kind === 'image' ? await saveImage(opened, instance, directory, signal) : undefined;
    const saved =
      image !== undefined && opened.imagesHaveWorkDir
        ? await countFiles(client, signal)
        : await saveArchives(client, directory, { exclude: left, limitBytes, signal });
    return {
      ...{ kind, backend, buildlet: instance, isAutomatic, excluded: left },
      builderType: builder?.name ?? '',
      hostType: builder?.hostType ?? '',
      ...{ ...image, ...saved, storedBytes: saved.storedBytes + (image?.bytes ?? 0) },
    };
  });
  const { sharedDirectory } = await client.trees();
  if (sharedDirectory !== undefined) prepare(store, made.tag, backends.settings.environment);
  return made;
}

/** An empty path, as of an unset variable, would leave nothing out. */
function excludedPath(given: string): string {
  const path = directoryInside('the path', given);
  if (given !== '' && path !== '.') return path;
  throw new GomoteError('ERR_USAGE', `--exclude "${given}" is the work directory itself`, {
    hint: 'give the path of a file or of a directory in it',
  });
}

/** What there is in a work directory that needs no archive. */
async function countFiles(client: BuildletClient, signal: AbortSignal) {
  const counted = { files: 0, bytes: 0, storedBytes: 0, hasRecords: false };
  const options = { recursive: true, onUnreadable: () => undefined, signal };
  for await (const { size } of client.listDir('', options)) {
    if (size === undefined) continue;
    counted.files++;
    counted.bytes += size;
  }
  return counted;
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

/** The name of one that was given none: the buildlet's, and a number. */
function nextTag(instance: string, isTaken: (tag: string) => boolean): string {
  const stem = instance.replaceAll(/[^\w.-]/g, '-');
  for (let n = 1; ; n++) {
    const tag = `${stem}-${n}`;
    if (!isTaken(tag)) return tag;
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

/** Puts a snapshot into a new buildlet, given also its name in its backend. */
export type Restore = (client: BuildletClient, signal: AbortSignal, name: string) => Promise<void>;

/** What went wrong, with the snapshot's name and what to do, unless that says it or is not about the snapshot. */
function notRestored(name: string, error: unknown, signal: AbortSignal): unknown {
  const code = isGomoteError(error) ? error.code : 'ERR_STATUS';
  const isSaid = code === 'ERR_CONFLICT' || code === 'ERR_UNKNOWN_SNAPSHOT';
  if (isSaid || isConnectionError(error) || signal.aborted) return error;
  const message = `the snapshot "${name}" cannot be put there: ${messageOf(error)}`;
  return new GomoteError(code, message, {
    hint: `if it is damaged, run gomote snapshot remove ${name}, and make another`,
    cause: error,
  });
}

/** How a buildlet begins with a snapshot. */
interface SnapshotStart {
  /** The image of its machine; absent: that of its host type. */
  readonly image?: string | undefined;
  readonly restore: Restore;
}

/** How a new buildlet of the backend begins with the snapshot. Throws ERR_UNKNOWN_SNAPSHOT. */
export async function restorer(
  name: string,
  backends: Backends,
  { name: backend }: AnyBackend,
  signal: AbortSignal,
): Promise<SnapshotStart> {
  const { snapshot, tag, at } = await locate(name, backends, signal, backend);
  if (at === undefined) {
    const { environment } = backends.settings;
    const store = userSnapshots(environment);
    const { kind, image } = snapshot;
    // What creates may be a part of the backend only.
    const whole = kind === 'image' ? await backends.open(backend) : undefined;
    if (kind === 'image' && (snapshot.backend !== backend || whole?.keepImage === undefined)) {
      const message = `the snapshot "${name}" has an image, which only ${snapshot.backend} can use`;
      throw new GomoteError('ERR_UNSUPPORTED', message, {
        hint: 'one of the kind "files" can be used anywhere',
      });
    }
    const restore: Restore = async (client, signal) => {
      if (image !== undefined && whole?.imagesHaveWorkDir) {
        await forgetIdentity(client, signal);
        return store.use(tag);
      }
      // An image may have a work directory of its own, of an earlier moment.
      if (image !== undefined) await emptyWorkDir(client, signal);
      const workDir = await workDirHere(client, signal);
      if (workDir === undefined || !(await useReadyCopy(store, tag, workDir, signal))) {
        const { hasRecords } = snapshot;
        await restoreArchives(client, store.directory(tag), { hasRecords, signal }).catch(
          (error: unknown) => {
            throw notRestored(tag, error, signal);
          },
        );
      }
      store.use(tag);
      if (workDir !== undefined) prepare(store, tag, environment);
    };
    return { image, restore };
  }
  if (at.backend === backend) {
    return {
      image: snapshot.kind === 'image' ? tag : undefined,
      restore: async (_, signal, instance) => {
        await at.server.restore(instance, tag, { signal }).catch((error: unknown) => {
          throw notRestored(snapshot.tag, error, signal);
        });
      },
    };
  }
  throw new GomoteError('ERR_UNSUPPORTED', `the snapshot "${name}" is for ${at.backend} only`, {
    hint: 'one that is made with --here can be used anywhere',
  });
}
