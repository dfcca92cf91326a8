// The runs that a machine knows, running and finished: what a page shows of them.
import type { Relay } from '../../http/relay/proxy.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { commandText, listedRuns, runsReplyBytes } from '../sessions/listed-runs.ts';

/** How many are shown, the newest. */
const runLimit = 200;

export interface RunRow {
  readonly id: string;
  readonly command: string;
  readonly startedMs: number;
  readonly isRunning: boolean;
  readonly isDetached: boolean;
  /** How long its output is, with what the log needs. */
  readonly logBytes: number;
  readonly code?: number | undefined;
  readonly signal?: string | undefined;
  readonly why?: string | undefined;
  readonly durationMs?: number | undefined;
}

/** The newest first; undefined when the machine cannot say. */
export async function runsOn(
  relay: Relay,
  signal: AbortSignal,
  withArguments: boolean,
): Promise<RunRow[] | undefined> {
  const { status, text } = await relay.get(endpoints.sessions.path, signal, runsReplyBytes);
  const runs = status === 200 ? listedRuns(text) : undefined;
  return runs
    ?.map((run) => ({
      ...{ id: run.id, command: commandText(run, withArguments), logBytes: run.logBytes },
      ...{ isRunning: run.running, isDetached: run.detached, startedMs: run.startedMs },
      ...(run.end && {
        ...{ code: run.end.code ?? undefined, signal: run.end.signal ?? undefined },
        ...{ why: run.end.why, durationMs: run.end.durationMs },
      }),
    }))
    .sort((a, b) => b.startedMs - a.startedMs)
    .slice(0, runLimit);
}
