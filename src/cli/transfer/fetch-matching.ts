// Fetches files that match patterns from a buildlet.
import { resolve } from 'node:path';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { pullInto } from '../../gomote/pull.ts';
import { pathMatcher } from '../../sync/pull/requested-entries.ts';
import type { Context } from '../context.ts';
import { MissingFiles } from './missing-files.ts';
import { reportPull } from './pull-report.ts';

interface Wanted {
  /** The directory on the buildlet, relative to the work directory. */
  readonly dir: string;
  readonly into: string;
  readonly get: readonly string[];
  readonly require?: readonly string[] | undefined;
}

/**
 * Fetches the files; returns the matching paths. A pattern of `get` that matches nothing causes only a message. Throws
 * {@link MissingFiles}, and when a matching file could not be fetched.
 */
export async function fetchMatching(
  buildlet: Buildlet,
  { dir, into, get, require = [] }: Wanted,
  context: Context,
): Promise<readonly string[]> {
  const { signal, messages } = context;
  const { name } = buildlet;
  const passed = { bytes: 0 };
  const startedAtMs = performance.now();
  const summary = await messages.showing(passed, () =>
    pullInto(
      buildlet,
      { dir, to: resolve(into) },
      {
        ...{ signal, noIgnore: true, replacesUnknown: true, only: [...get, ...require] },
        onCome: (bytes) => {
          passed.bytes += bytes;
        },
      },
    ),
  );
  const { matched = [] } = summary;
  const misses = (pattern: string): boolean => {
    const matches = pathMatcher([pattern]);
    return !matched.some((path) => matches(path, false) || matches(path, true));
  };
  for (const pattern of get.filter(misses)) {
    if (!pattern.startsWith('!')) messages.remark(`${name}: nothing matches "${pattern}"`);
  }
  await reportPull(name, summary, { seconds: (performance.now() - startedAtMs) / 1_000 }, context);
  const missing = require.filter(misses);
  if (missing.length > 0) throw new MissingFiles(name, missing);
  return matched;
}
