// The current project and its buildlets: those that were created in it, or that it was pushed to.
import { lstatSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { realpathSync } from '../../files/named-fs.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { removeOldFiles, replaceFile } from '../../files/replace-file.ts';
import { ownDirectory } from '../../files/reserved-names.ts';
import { userDirectory } from '../../files/user-directories.ts';

/** What is recorded about a project, in the user's state directory, where nobody else can write. */
export interface ProjectRecord {
  readonly root: string;
  /** As `BACKEND/NAME`. */
  readonly buildlets: readonly string[];
  /** Names that `create --name` has given. Such a word is always taken as a buildlet. */
  readonly given: readonly string[];
  /** What `gomote use` has chosen. */
  readonly used?: string;
}

const markers = [ownDirectory, '.gomote.toml', '.git'];

/** Longer than the lifetime of any buildlet, in ms. */
const keptMs = 90 * 24 * 3_600_000;

const keptCount = 200;

const what = 'the directory of projects';

/** The nearest parent directory that is marked as a project, or the current directory; a real path. */
export function projectRoot(from = realpathSync('.')): string {
  for (let directory = from; ; directory = dirname(directory)) {
    const isMarked = markers.some((name) => isAt(join(directory, name)));
    if (isMarked) return directory;
    if (directory === dirname(directory)) return from;
  }
}

function isAt(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

const recordsIn = (environment: NodeJS.ProcessEnv): string =>
  join(userDirectory(environment, 'XDG_STATE_HOME', '.local', 'state'), 'gomote-projects');

/** The file of a project, named by a hash because a path may be too long for a file name. */
function fileOf(root: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(root))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return `${hash.toString(16).padStart(16, '0')}.json`;
}

/** The record of the current project; empty when it cannot be read. */
export function readProject(environment: NodeJS.ProcessEnv, root = projectRoot()): ProjectRecord {
  const empty = { root, buildlets: [], given: [] };
  try {
    const records = recordsIn(environment);
    if (!hasPrivateDirectory(records, what)) return empty;
    const read: Partial<Record<keyof ProjectRecord, unknown>> = JSON.parse(
      readOwnFile(join(records, fileOf(root))),
    );
    // Two roots could have the same hash.
    if (read.root !== root || !Array.isArray(read.buildlets)) return empty;
    const [buildlets, given] = [texts(read.buildlets), texts(read.given)];
    return { root, buildlets, given, ...(typeof read.used === 'string' && { used: read.used }) };
  } catch {
    return empty;
  }
}

const texts = (list: unknown): string[] =>
  Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];

/** Throws ERR_CONFIG and as node:fs does. */
export function writeProject(record: ProjectRecord, environment: NodeJS.ProcessEnv): void {
  const records = recordsIn(environment);
  makePrivateDirectory(records, what);
  const latest = (list: readonly string[]) => [...new Set(list)].slice(-keptCount);
  const kept = { ...record, buildlets: latest(record.buildlets), given: latest(record.given) };
  replaceFile(join(records, fileOf(record.root)), JSON.stringify(kept));
  removeOldFiles(records, keptMs);
}

/** Records the buildlets, as `BACKEND/NAME`, and a given name for this project. Reports those that could not be recorded. */
export function noteForProject(
  names: readonly string[],
  environment: NodeJS.ProcessEnv,
  given?: string,
): void {
  try {
    const record = readProject(environment);
    if (given === undefined && names.every((name) => record.buildlets.includes(name))) return;
    const all = given === undefined ? record.given : [...record.given, given];
    const buildlets = [...record.buildlets, ...names];
    writeProject({ ...record, buildlets, given: all }, environment);
  } catch {
    // The current directory was removed, or nothing can be written.
  }
}

/** Forgets buildlets of this project, called `BACKEND/NAME`, that have been destroyed. */
export function forgetForProject(names: readonly string[], environment: NodeJS.ProcessEnv): void {
  try {
    const record = readProject(environment);
    const buildlets = record.buildlets.filter((name) => !names.includes(name));
    if (buildlets.length < record.buildlets.length)
      writeProject({ ...record, buildlets }, environment);
  } catch {
    // As above.
  }
}
