// Caches: directories that outlive the buildlets that use them.
import { normalizeRelativePath } from './relative-path.ts';

export const cacheModes = ['shared', 'exclusive'] as const;

/** A directory that a buildlet gets, and the next one after it. */
export interface Cache {
  /** By which buildlets have the same one. */
  readonly name: string;
  /** Where commands find it: relative to the work directory, below HOME as `~/…`, or absolute. In plain form. */
  readonly path: string;
  /** `exclusive`: one buildlet at a time. Default: `shared`. */
  readonly mode?: (typeof cacheModes)[number] | undefined;
  /** It is emptied when it has grown larger, in bytes. Default: never. */
  readonly maxBytes?: number | undefined;
  /** At a coordinator: whether all its users have the same one. Default: each has one of their own. */
  readonly shared?: boolean | undefined;
  /** Whether a buildlet is made without it, with a warning, where it cannot be. Default: none is made. */
  readonly isOptional?: boolean | undefined;
}

/** A name becomes a part of file names and of names on platforms. */
export const cacheName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$/;

/** The largest number of caches of one buildlet. */
const cacheLimit = 16;

const pathLimit = 1_024;

/** The plain form of a path; undefined for one that climbs out, names no directory below, or has a character that separates. */
export function plainCachePath(path: string): string | undefined {
  const [, start = '', rest = ''] = /^(~\/|\/)?(.*)$/s.exec(path) ?? [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a path must not have.
  const isOdd = /[\u0000-\u001f\u007f:,\\]/.test(path) || path.length > pathLimit;
  if (isOdd || rest === '~' || rest.split('/').includes('..')) return undefined;
  const plain = normalizeRelativePath(rest.replace(/^\/+/, ''));
  return plain === undefined || plain === '.' ? undefined : `${start}${plain}`;
}

/** The caches of several lists, in which a later one replaces that of the same name. */
export function mergedCaches(...lists: ReadonlyArray<readonly Cache[] | undefined>): Cache[] {
  const byName = new Map(lists.flatMap((list) => list ?? []).map((cache) => [cache.name, cache]));
  return [...byName.values()];
}

/** Why a buildlet cannot have all of these; undefined when it can. */
export function cacheConflict(caches: readonly Cache[]): string | undefined {
  if (caches.length > cacheLimit) return `a buildlet has no more than ${cacheLimit} caches`;
  for (const one of caches) {
    const other = caches.find(
      ({ name, path }) => name !== one.name && `${one.path}/`.startsWith(`${path}/`),
    );
    if (other !== undefined) {
      return `the caches "${one.name}" and "${other.name}" are in each other's place: ${one.path}`;
    }
  }
  return undefined;
}
