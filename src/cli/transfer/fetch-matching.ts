// Fetches the files of a buildlet that match patterns.
import { resolve } from 'node:path';
import { GomoteError } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { pullInto } from '../../gomote/pull.ts';
import { pathMatcher } from '../../sync/pull/asked-entries.ts';
import type { Context } from '../context.ts';
import { reportPull } from './pull-report.ts';

interface Wanted {
  /** Of the buildlet, relative to the work directory. */
  readonly dir: string;
  /** The directory here. */
  readonly into: string;
  readonly get: readonly string[];
  /** Patterns of what must be there. Default: none. */
  readonly require?: readonly string[] | undefined;
}

/** What of it was missing: the files that came are there all the same. */
export class MissingFiles extends GomoteError {
  constructor(name: string, patterns: readonly string[]) {
    super(
      'ERR_NO_SUCH_FILE',
      `${name}: nothing matches ${patterns.map((one) => `"${one}"`).join(', ')}`,
      {
        hint: 'it was required with --require',
      },
    );
  }
}

/**
 * Fetches them; gives the paths that match. A pattern of `get` that matches nothing is only told. Throws {@link MissingFiles},
 * and when something that matches has not come.
 */
export async function fetchMatching(
  buildlet: Buildlet,
  { dir, into, get, require = [] }: Wanted,
  context: Context,
): Promise<readonly string[]> {
  const { signal, messages } = context;
  const { name } = buildlet;
  const passed = { bytes: 0 };
  const startMs = performance.now();
  const summary = await messages.showing(
    () => passed,
    () =>
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
    if (!pattern.startsWith('!')) messages.say(`gomote: ${name}: nothing matches "${pattern}"`);
  }
  await reportPull(name, summary, { seconds: (performance.now() - startMs) / 1_000 }, context);
  const missing = require.filter(misses);
  if (missing.length > 0) throw new MissingFiles(name, missing);
  return matched;
}
