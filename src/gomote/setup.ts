// Runs setup scripts on new buildlets, before `create` returns.
import { join, relative, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { AnyBackend, Instance } from '../backends/backend.ts';
import { runSetup, type Setup, type SetupRun } from '../backends/setup.ts';
import { readSetup, readSetupsOf } from '../backends/setup-files.ts';
import type { BuilderType, SetupSource } from '../builders.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { currentDirectory } from '../files/named-fs.ts';
import { readRegularFile } from '../files/private-file.ts';
import { normalizeRelativePath } from '../protocol/relative-path.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { CachedSetup } from './cached-setup.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { withoutCreated } from './create-all.ts';
import type { Wanted } from './find-type.ts';
import type { Restore } from './snapshots.ts';

/** Options for the setup of new buildlets, in addition to that of their types. */
export interface SetupOptions {
  /** A script that runs on each new buildlet, in the work directory: its local path, or its content as bytes. */
  setup?: string | Uint8Array | Setup | undefined;
  /** Files for the script: relative to the current directory, and on the buildlet to the work directory. */
  setupFiles?: readonly string[] | undefined;
  /** Returns a stream for the output of the scripts on that buildlet; the stream is not ended. Default: the output is discarded. */
  setupOutput?: ((buildlet: string) => Writable) | undefined;
  /**
   * Whether to keep the work directory that all scripts leave, and to begin later buildlets with it. Default: as their types
   * say, else where nothing else can be lost.
   */
  keepSetup?: boolean | undefined;
  /** Runs the script also where a result of the same setup is kept, and keeps the new result instead. Default false. */
  freshSetup?: boolean | undefined;
  /** Keeps buildlets whose setup failed; the error names them. Default false. */
  keepOnFailure?: boolean | undefined;
}

/** How long a buildlet waits for its client during setup, and so outlives a killed client, in ms. */
export const setupHoldMs = 60_000;

/** The time limit for releasing a buildlet after its setup, in ms. */
const releaseMs = 60_000;

/** Reads all scripts for a new buildlet: those of its types, where they are configured locally, and the caller's. */
export function setupsOf(
  { backend, builder, host }: Wanted,
  { setup, setupFiles = [], keepSetup }: SetupOptions,
): Setup[] {
  const ofTypes = backend.types === undefined ? readSetupsOf(host, builder) : [];
  const given = setup === undefined ? [] : [setupFromOptions(setup, setupFiles)];
  return [...ofTypes, ...given].map((one) => ({ ...one, isKept: keepSetup ?? one.isKept }));
}

/** Reads a script, and files below the current directory. */
export function setupFromOptions(
  setup: string | Uint8Array | Setup,
  setupFiles: readonly string[],
): Setup {
  if (typeof setup === 'object' && !(setup instanceof Uint8Array)) return setup;
  const directory = currentDirectory();
  for (const path of setupFiles) {
    if (path !== '' && normalizeRelativePath(path) !== undefined) continue;
    throw new GomoteError('ERR_USAGE', `the file "${path}" of the setup is not below here`, {
      hint: 'give a path relative to the current directory, without ..',
    });
  }
  const isPath = typeof setup === 'string';
  const name = isPath ? setup : '(standard input)';
  const script = isPath && setup !== '' ? resolve(directory, setup) : '';
  const read = (path: string) =>
    path === '' && !isPath ? Buffer.from(setup) : readRegularFile(path);
  return readSetup({ directory, script, files: setupFiles }, read, { name });
}

/**
 * Reads the script of a directory and its files with `read`, which is called with paths in that directory.
 *
 * @param dir The directory of the files on the buildlet.
 */
export function setupIn(
  directory: string,
  { script, files, isKept }: Omit<SetupSource, 'directory'>,
  read: (path: string) => Buffer,
  dir: string,
): Setup {
  const source = { directory, script: join(directory, script), files, isKept };
  return readSetup(source, (path) => read(relative(directory, path)), { name: script, dir });
}

export async function setUp(
  { name, client, builder }: Omit<ConnectedBuildlet, 'backends'>,
  setup: Setup,
  options: Omit<SetupRun, 'builder'>,
): Promise<void> {
  await runSetup(client, name, setup, { ...options, builder });
}

interface SetUpBuildletsOptions extends Pick<SetupOptions, 'setupOutput' | 'keepOnFailure'> {
  readonly setups: readonly Setup[];
  readonly restore: Restore | undefined;
  /** Stores the result of the first buildlet. */
  readonly keep: CachedSetup['keep'] | undefined;
  readonly signal: AbortSignal;
  /** Whether the caller holds the buildlets itself. */
  readonly areHeld: boolean;
}

/**
 * Restores a snapshot, and runs the scripts on all new buildlets concurrently. When one fails or is cancelled, all are
 * destroyed, unless they are to be kept.
 */
export async function setUpBuildlets(
  { backend, builder }: Pick<Wanted, 'backend' | 'builder'>,
  instances: readonly Instance[],
  { signal, keepOnFailure, ...options }: SetUpBuildletsOptions,
): Promise<void> {
  const failed = new AbortController();
  await Promise.allSettled(
    instances.map(async ({ name }, at) => {
      const keep = at === 0 ? options.keep : undefined;
      const call = { ...options, keep, signal: anySignal(signal, failed.signal) };
      try {
        await readyOne({ backend, builder }, name, call);
      } catch (error) {
        failed.abort(error);
      }
    }),
  );
  if (!failed.signal.aborted) return;
  const { reason } = failed.signal;
  if (!keepOnFailure || !isGomoteError(reason, 'ERR_SETUP')) {
    throw await withoutCreated(backend, instances, reason);
  }
  const names = instances.map(({ name }) => `${backend.name}/${name}`).join(' ');
  throw new GomoteError('ERR_SETUP', `${messageOf(reason)}; kept: ${names}`, {
    hint: `look with gomote shell, end with gomote destroy ${names}`,
    cause: reason,
  });
}

async function readyOne(
  { backend, builder }: { readonly backend: AnyBackend; readonly builder: BuilderType },
  name: string,
  {
    signal,
    setups,
    restore,
    keep,
    setupOutput,
    areHeld,
  }: Omit<SetUpBuildletsOptions, 'keepOnFailure'>,
): Promise<void> {
  const client = await backend.connect(name, { signal });
  try {
    const hold = areHeld ? undefined : await client.hold({ graceMs: setupHoldMs, signal });
    const output = setups.length === 0 ? undefined : setupOutput?.(name);
    try {
      await restore?.(client, signal, name);
      for (const setup of setups) await runSetup(client, name, setup, { builder, output, signal });
      await keep?.(client, name, signal);
    } finally {
      // A failed buildlet may be kept; otherwise it is destroyed by name.
      await hold?.release({ signal: timeoutSignal(releaseMs) }).catch(() => undefined);
    }
  } finally {
    await client.disconnect();
  }
}
