// Caches: directories of the machine that outlive this buildlet, as links where commands look for them.
import { lstatSync, mkdirSync, readlinkSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { makeDirectories } from '../files/make-directories.ts';
import { holdThroughLinks, type OpenDirectory } from '../files/open-directory.ts';
import { plainCachePath } from '../protocol/cache.ts';
import { errnoText } from '../protocol/process-state.ts';
import { usage, type ValuesOf } from './option-values.ts';

export interface CachePlace {
  /** Relative to the work directory, below HOME as `~/…`, or absolute. */
  readonly path: string;
  /** What commands find there: an absolute path. */
  readonly directory: string;
}

/** Where the paths of caches begin. */
interface LinkRoots {
  readonly workDir: string;
  readonly home: string | undefined;
}

export const cachesHelp = `  --cache PATH:DIRECTORY        make PATH, in the work directory or below ~/, a
                                link to DIRECTORY, which is kept; may be
                                repeated
`;

export const cacheFlags = { cache: { type: 'string', multiple: true } } as const;

export function readCaches({ cache = [] }: ValuesOf<typeof cacheFlags>) {
  return cache.map((given): CachePlace => {
    const colon = given.indexOf(':');
    const [path, directory] = [plainCachePath(given.slice(0, colon)), given.slice(colon + 1)];
    if (colon > 0 && path !== undefined && isAbsolute(directory)) return { path, directory };
    throw usage(
      `--cache "${given}" is not PATH:DIRECTORY`,
      'give one such as --cache node_modules:/var/cache/node_modules',
    );
  });
}

/** Reads the attribute `cache-disks`: a line `PATH:DEVICE` for each. */
export const readCacheDisks = (text: string | undefined): CachePlace[] | undefined =>
  text === undefined ? undefined : readCaches({ cache: text.split('\n') });

/** Makes the links. Only existing links and empty directories are replaced. */
export function linkCaches(caches: readonly CachePlace[], roots: LinkRoots): void {
  for (const { path, directory } of caches) {
    const place = placeOf(path, roots);
    try {
      link(place, directory);
    } catch (error) {
      throw new GomoteError('ERR_LOCAL_FILE', `no cache can be at ${path}: ${reasonOf(error)}`, {
        hint: 'give it another path, or remove what is there',
        cause: error,
      });
    }
  }
}

/** The paths in the work directory that are links to these caches now. */
export const linksOf = (caches: readonly CachePlace[], workDir: string): string[] =>
  caches
    .filter(({ path, directory }) => {
      try {
        return readlinkSync(join(workDir, path)) === directory;
      } catch {
        return false;
      }
    })
    .map(({ path }) => path);

/** The top directory and the way down from it, whose links are not followed. */
function placeOf(path: string, { workDir, home }: LinkRoots): { top: string; below: string } {
  if (isAbsolute(path)) return { top: dirname(path), below: basename(path) };
  if (!path.startsWith('~/')) return { top: workDir, below: path };
  if (home !== undefined && isAbsolute(home)) return { top: home, below: path.slice(2) };
  throw new GomoteError('ERR_CONFIG', `no cache can be at ${path}: commands have no HOME`, {
    hint: 'give it an absolute path',
  });
}

function link({ top, below }: { top: string; below: string }, target: string): void {
  makeDirectories(top, 0o755);
  const elements = below.split('/');
  const last = elements.pop() ?? '';
  let directory = holdThroughLinks(top);
  try {
    for (const name of elements) {
      const next = enter(directory, name);
      directory.close();
      directory = next;
    }
    putLink(directory, last, target);
  } finally {
    directory.close();
  }
}

function enter(directory: OpenDirectory, name: string): OpenDirectory {
  try {
    mkdirSync(directory.at(name), 0o755);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return directory.child(name);
}

function putLink(directory: OpenDirectory, name: string, target: string): void {
  const at = directory.at(name);
  const found = lstatSync(at, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) {
    if (readlinkSync(at) === target) return;
    unlinkSync(at);
  } else if (found !== undefined) {
    rmdirSync(at);
  }
  symlinkSync(target, at);
}

const reasons: Readonly<Record<string, string>> = {
  ENOTEMPTY: 'there is a directory with files',
  EEXIST: 'there is a directory with files',
  ENOTDIR: 'there is a file or a link on the way',
};

const reasonOf = (error: unknown): string => {
  const errno = errnoOf(error) ?? String(error);
  return reasons[errno] ?? errnoText(errno);
};
