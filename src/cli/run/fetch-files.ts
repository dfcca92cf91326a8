// Fetches into the current directory what the patterns of `--get` match.
import { currentDirectory } from '../../files/named-fs.ts';
import { pullInto } from '../../gomote/pull.ts';
import { pathMatcher } from '../../sync/pull/asked-entries.ts';
import { reportPull } from '../transfer/pull-report.ts';
import type { Run } from './run.ts';

/** Throws when something that matches has not come. A pattern that matches nothing is only told. */
export async function fetchFiles({ buildlet, command, dir, options, context }: Run): Promise<void> {
  const { messages } = context;
  const { name } = command;
  const { get: only = [] } = options;
  const passed = { bytes: 0 };
  const startMs = performance.now();
  const summary = await messages.showing(
    () => passed,
    () =>
      pullInto(
        buildlet,
        { dir: dir || '.', to: currentDirectory() },
        {
          ...{ only, noIgnore: true, replacesUnknown: true },
          onCome: (bytes) => {
            passed.bytes += bytes;
          },
        },
      ),
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
