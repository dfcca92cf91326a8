// Fetches into the current directory what the patterns of `--get` match.
import { cacheDirectory } from '../../files/cache-directory.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import { onPath } from '../../gomote/remote-path.ts';
import { pathMatcher } from '../../sync/pull/asked-entries.ts';
import { pull } from '../../sync/pull/pull.ts';
import { reportPull } from '../transfer/pull-report.ts';
import type { Run } from './run.ts';

/** Throws when something that matches has not come. A pattern that matches nothing is only told. */
export async function fetchFiles({ buildlet, command, dir, options, context }: Run): Promise<void> {
  const { signal, messages, terminal } = context;
  const { environment } = terminal;
  const { name } = command;
  const { get: only = [] } = options;
  const passed = { bytes: 0 };
  const startMs = performance.now();
  const fetching = () =>
    pull(buildlet.client, currentDirectory(), {
      ...{ only, signal, environment, noIgnore: true, replacesUnknown: true },
      dir: dir || '.',
      cacheDirectory: cacheDirectory(environment),
      onCome: (bytes) => {
        passed.bytes += bytes;
      },
    });
  const summary = await messages.showing(
    () => passed,
    () => onPath(name, dir, fetching),
  );
  const { matched = [] } = summary;
  for (const pattern of only) {
    const matches = pathMatcher([pattern]);
    const isMatched = matched.some((path) => matches(path, false) || matches(path, true));
    if (!isMatched && !pattern.startsWith('!'))
      messages.say(`gomote: ${name}: nothing matches "${pattern}"`);
  }
  await reportPull(name, summary, { seconds: (performance.now() - startMs) / 1_000 }, context);
}
