// New buildlets made ready by scripts, before anybody gets their names.
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import type { AnyBackend, Instance } from '../backends/backend.ts';
import { runSetup, type Setup, type SetupRun } from '../backends/setup.ts';
import { readSetup, readSetupsOf } from '../backends/setup-files.ts';
import type { BuilderType } from '../builders.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { currentDirectory } from '../files/named-fs.ts';
import { normalizeRelativePath } from '../protocol/relative-path.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import { withoutCreated } from './create-all.ts';
import type { Wanted } from './find-type.ts';
import type { KeptSetup } from './kept-setup.ts';
import type { Place } from './place.ts';
import type { Restore } from './snapshots.ts';

/** What makes new buildlets ready, beside what their types say. */
export interface SetupOptions {
  /** A script that runs on each new buildlet, in the work directory: its path here, or the script itself as bytes. */
  setup?: string | Uint8Array | Setup | undefined;
  /** Files for it: relative to the current directory here, and to the work directory there. */
  setupFiles?: readonly string[] | undefined;
  /** Gives what takes both outputs of the scripts on that buildlet; it is not ended. Default: nothing does. */
  setupOutput?: ((buildlet: string) => Writable) | undefined;
  /**
   * Runs it also where the result of the same setup is kept, as it is of buildlets of this machine. Default false.
   */
  freshSetup?: boolean | undefined;
  /** Keeps buildlets whose setup failed, which the error names. Default false. */
  keepOnFailure?: boolean | undefined;
}

/** How long a buildlet waits for its client while it is made ready, and lives on when its client is killed, in ms. */
export const setupHoldMs = 60_000;

/** How long it may take to let a buildlet go that is ready, in ms. */
const releaseMs = 60_000;

/** Reads all scripts that run on a new buildlet: those of its types, where they are described here, and the caller's own. */
export function setupsOf(
  { backend, builder, host }: Wanted,
  { setup, setupFiles = [] }: SetupOptions,
): Setup[] {
  const ofTypes = backend.types === undefined ? readSetupsOf(host, builder) : [];
  return setup === undefined ? ofTypes : [...ofTypes, givenSetup(setup, setupFiles)];
}

/** Reads a script, and files below the current directory. */
export function givenSetup(
  setup: string | Uint8Array | Setup,
  setupFiles: readonly string[],
): Setup {
  if (typeof setup === 'object' && !(setup instanceof Uint8Array)) return setup;
  const directory = currentDirectory();
  for (const path of setupFiles) {
    if (normalizeRelativePath(path) !== undefined) continue;
    throw new GomoteError('ERR_USAGE', `the file "${path}" of the setup is not below here`, {
      hint: 'give a path relative to the current directory, without ..',
    });
  }
  const isPath = typeof setup === 'string';
  const script = isPath ? resolve(directory, setup) : '';
  const read = (path: string) => (path === '' ? Buffer.from(setup) : readFileSync(path));
  const found = readSetup({ directory, script, files: setupFiles }, read);
  return { ...found, name: isPath ? setup : '(standard input)' };
}

/**
 * Reads the script of a directory and its files, each by `read`, which is given their paths in it.
 *
 * @param dir Where the files are to be there.
 */
export function setupIn(
  directory: string,
  { script, files }: { readonly script: string; readonly files: readonly string[] },
  read: (path: string) => Buffer,
  dir: string,
): Setup {
  const source = { directory, script: join(directory, script), files };
  const found = readSetup(source, (path) => read(relative(directory, path)), dir);
  return { ...found, name: script };
}

/** Runs the script on a buildlet that is there already. */
export async function setUp(
  { name, client, builder }: Omit<Place, 'backends'>,
  setup: Setup,
  options: Omit<SetupRun, 'builder'>,
): Promise<void> {
  await runSetup(client, name, setup, { ...options, builder });
}

interface MakeReady extends Pick<SetupOptions, 'setupOutput' | 'keepOnFailure'> {
  readonly setups: readonly Setup[];
  /** What is done before. */
  readonly restore: Restore | undefined;
  /** Keeps the result, as the first of them has it. */
  readonly keep: KeptSetup['keep'] | undefined;
  readonly signal: AbortSignal;
  /** Whether the caller holds the buildlets. */
  readonly areHeld: boolean;
}

/**
 * Restores a snapshot and runs the scripts on each of the new buildlets at once. When one fails, or is cancelled, all are destroyed, unless they are to
 * be kept.
 */
export async function makeReady(
  { backend, builder }: Pick<Wanted, 'backend' | 'builder'>,
  instances: readonly Instance[],
  { signal, keepOnFailure, ...options }: MakeReady,
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
  { signal, setups, restore, keep, setupOutput, areHeld }: Omit<MakeReady, 'keepOnFailure'>,
): Promise<void> {
  const client = await backend.connect(name, { signal });
  try {
    const hold = areHeld ? undefined : await client.hold({ graceMs: setupHoldMs, signal });
    const output = setups.length === 0 ? undefined : setupOutput?.(name);
    try {
      await restore?.(client, signal);
      for (const setup of setups) await runSetup(client, name, setup, { builder, output, signal });
      await keep?.(client, name, signal);
    } finally {
      // One that failed may be kept, too; it is destroyed by its name otherwise.
      await hold?.release({ signal: timeoutSignal(releaseMs) }).catch(() => undefined);
    }
  } finally {
    await client.disconnect();
  }
}
