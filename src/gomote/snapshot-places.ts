// Where snapshots are: on this machine, or at coordinators.
import { join } from 'node:path';
import type { AnyBackend, SnapshotServer } from '../backends/backend.ts';
import { type BeforeRemoval, SnapshotStore } from '../backends/snapshots/store.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { userDirectory } from '../files/user-directories.ts';
import { isTag, type Snapshot, splitOwner, unknownSnapshot } from '../protocol/snapshot.ts';
import type { Backends } from './backends.ts';
import { splitName } from './buildlet-name.ts';
import { dropImage } from './snapshot-images.ts';

/** What `snapshots` takes. */
export interface ListSnapshotsOptions extends CallOptions {
  /** Called for each coordinator that does not answer. Absent: such a coordinator fails the call. */
  readonly onFailure?: ((error: GomoteError) => void) | undefined;
}

export const userSnapshots = (
  environment: NodeJS.ProcessEnv,
  beforeRemoval?: BeforeRemoval,
): SnapshotStore =>
  new SnapshotStore(
    join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-snapshots'),
    beforeRemoval,
  );

/** The server of the backend that keeps snapshots; undefined: there is none. */
export const serverOf = async (
  backend: AnyBackend,
  signal: AbortSignal,
): Promise<SnapshotServer | undefined> => await backend.snapshots?.({ signal });

/** As its user calls it here. */
export const named = (backend: string, snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  tag: `${backend}/${snapshot.tag}`,
  backend,
});

export interface Found {
  readonly snapshot: Snapshot;
  /** Its name where it is. */
  readonly tag: string;
  readonly at: { readonly backend: string; readonly server: SnapshotServer } | undefined;
}

/**
 * Finds `TAG`, on this machine or else at the usual backend, or `BACKEND/TAG`. Throws ERR_UNKNOWN_SNAPSHOT.
 *
 * @param usual The backend that is asked for one that is not here.
 */
export async function locate(
  name: string,
  backends: Backends,
  signal: AbortSignal,
  usual?: string,
): Promise<Found> {
  const { backend, instance } = splitName(name);
  splitOwner(instance);
  const isHere = backend === undefined && isTag(instance);
  const local = isHere ? snapshotsHere(backends).find(instance) : undefined;
  if (local !== undefined) return { snapshot: local, tag: instance, at: undefined };
  const opened = await backends.open(backend ?? usual);
  const server = await serverOf(opened, signal);
  // The user's own are listed without an owner; by `TAG@OWNER`, what is shared has one name for all.
  const found = (await server?.list({ signal }))?.find(
    ({ tag, owner }) => tag === instance || `${tag}@${owner}` === instance,
  );
  if (server === undefined || found === undefined) throw unknownSnapshot(name);
  const at = { backend: opened.name, server };
  return { snapshot: named(opened.name, found), tag: found.tag, at };
}

/** The same, for what is removed together with images at the backends. */
export const snapshotsHere = (backends: Backends): SnapshotStore =>
  userSnapshots(backends.settings.environment, (directory) => dropImage(directory, backends));

export const findSnapshot = async (
  name: string,
  backends: Backends,
  signal: AbortSignal,
): Promise<Snapshot> => (await locate(name, backends, signal)).snapshot;

/** Those on this machine and at all coordinators; at the chosen one alone. */
export async function listSnapshots(
  backends: Backends,
  { signal, onFailure }: ListSnapshotsOptions & { signal: AbortSignal },
): Promise<Snapshot[]> {
  const chosen = await backends.defaultName();
  const configured = [...new Set([chosen, ...(await backends.config()).backends.keys()])];
  const names = backends.isGiven ? [chosen] : configured;
  const all: Snapshot[] = [];
  for (const name of names) {
    if ((await backends.configOf(name))?.kind !== 'coordinator') continue;
    try {
      const server = await serverOf(await backends.open(name), signal);
      const found = (await server?.list({ signal })) ?? [];
      all.push(...found.map((one) => named(name, one)));
    } catch (error) {
      signal.throwIfAborted();
      if (onFailure === undefined) throw error;
      const message = `backend ${name}: ${messageOf(error)}`;
      onFailure(new GomoteError('ERR_CONNECT', message, { cause: error }));
    }
  }
  return [...snapshotsHere(backends).list(), ...all];
}

/** Removes also one whose record cannot be read, which is in no list. Throws ERR_UNKNOWN_SNAPSHOT. */
export async function removeSnapshot(
  name: string,
  backends: Backends,
  signal: AbortSignal,
): Promise<void> {
  const { backend, instance: tag } = splitName(name);
  splitOwner(tag);
  const here = snapshotsHere(backends);
  const isHere = backend === undefined && isTag(tag);
  if (isHere && (here.isUnreadable(tag) || here.find(tag))) return await here.remove(tag);
  const server = await serverOf(await backends.open(backend), signal);
  if (server === undefined) throw unknownSnapshot(name);
  await server.remove(tag, { signal }).catch((error: unknown) => {
    throw isGomoteError(error, 'ERR_UNKNOWN_SNAPSHOT') ? unknownSnapshot(name) : error;
  });
}

/** Shares one with all users of its coordinator, or no longer. */
export async function shareSnapshot(
  name: string,
  isShared: boolean,
  backends: Backends,
  signal: AbortSignal,
): Promise<Snapshot> {
  const { tag, at } = await locate(name, backends, signal);
  if (at !== undefined) return named(at.backend, await at.server.share(tag, isShared, { signal }));
  throw new GomoteError('ERR_UNSUPPORTED', `the snapshot "${name}" is on this machine`, {
    hint: 'only coordinators share snapshots: make it of a buildlet of one',
  });
}
