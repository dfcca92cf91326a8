// `coordinator history`: buildlets and their runs, also those that have ended, as the page shows them.
import { join } from 'node:path';
import { formatDuration } from '../duration.ts';
import { GomoteError } from '../errors.ts';
import type { CoordinatorConfig } from './config.ts';
import { beginningOf, History, type HistoryEntry, pastRuns } from './page/history.ts';

type PastBuildlet = ReturnType<typeof pastBuildlet>;

/** Those of which something happened since then, in the order they were made. Throws ERR_CONFIG. */
export async function pastBuildlets(
  { stateDirectory, historyMs }: Pick<CoordinatorConfig, 'stateDirectory' | 'historyMs'>,
  sinceAtMs: number,
): Promise<PastBuildlet[]> {
  const path = join(stateDirectory, 'history.jsonl');
  const onTrouble = (what: string) => {
    throw new GomoteError('ERR_CONFIG', what);
  };
  const history = await History.read({ path, keepMs: historyMs, onTrouble });
  // The file may have what is too old for another hour.
  const firstMs = Math.max(sinceAtMs, Date.now() - historyMs);
  const isMeant = ({ rows }: HistoryEntry) => (rows.at(-1)?.atMs ?? 0) >= firstMs;
  return history.all().filter(isMeant).map(pastBuildlet);
}

const moment = (ms: number): string => new Date(ms).toISOString();

function pastBuildlet(entry: HistoryEntry) {
  const { name, owner, rows, end } = entry;
  const { hostType, createdMs } = beginningOf(entry);
  const runs = pastRuns(rows).map(
    ({ atMs, command = '', outcome = 'unknown', by, durationMs }) => ({
      // When the audit trail had it: at its end, or of a detached one at its start.
      ...{ at: moment(atMs), command, outcome, by, durationMs },
    }),
  );
  return {
    ...{ name, owner, hostType },
    created: createdMs === undefined ? undefined : moment(createdMs),
    ended: end && moment(end.atMs),
    ...{ why: end?.why ?? end?.reason, runs },
  };
}

/** Tab-separated: a line for each buildlet, and below it one for each run, which begins with a tab. */
export function historyText(past: readonly PastBuildlet[], isJson: boolean): string {
  if (isJson) return `${JSON.stringify(past, undefined, 2)}\n`;
  return past.map(linesOf).join('');
}

function linesOf({ name, owner, hostType, created, ended, why, runs }: PastBuildlet): string {
  const head = [name, owner, hostType ?? '', created ?? '', ended ?? 'not ended', why ?? ''];
  const lines = runs.map(({ at, outcome, durationMs, command }) => {
    const took = durationMs === undefined ? '' : formatDuration(durationMs);
    return ['', at, outcome, took, command];
  });
  return [head, ...lines].map((fields) => `${fields.join('\t').trimEnd()}\n`).join('');
}
