// The caches of a host type, a builder type or a project.
import * as v from 'valibot';
import {
  type Cache,
  cacheConflict,
  cacheModes,
  cacheName,
  plainCachePath,
} from '../protocol/cache.ts';
import { memorySchema } from './values.ts';

const cacheSchema = v.pipe(
  v.strictObject({
    name: v.pipe(
      v.string(),
      v.regex(cacheName, 'a cache has up to 50 letters, digits, ".", "_" and "-"'),
    ),
    path: v.pipe(
      v.string(),
      v.check(
        (path) => plainCachePath(path) !== undefined,
        'give a path in the work directory, below ~/ or from /, without .., ":" and ","',
      ),
      v.transform((path) => plainCachePath(path) ?? path),
    ),
    mode: v.optional(v.picklist(cacheModes, 'mode is "shared" or "exclusive"')),
    'max-size': v.optional(memorySchema),
    shared: v.optional(v.boolean()),
  }),
  v.transform(({ 'max-size': maxBytes, ...rest }): Cache => ({ ...rest, maxBytes })),
);

export const cachesSchema = v.optional(
  v.pipe(
    v.array(cacheSchema),
    v.check(
      (caches) => new Set(caches.map(({ name }) => name)).size === caches.length,
      'two caches have the same name',
    ),
    v.check(
      (caches) => cacheConflict(caches) === undefined,
      (issue) => cacheConflict(issue.input) ?? '',
    ),
  ),
);
