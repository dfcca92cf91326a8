// All that the page of one buildlet shows, for one viewer: also of one that has ended.
import type { Relay } from '../../http/relay/proxy.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Coordinator } from '../coordinator.ts';
import { commandText, listedRuns, runsReplyBytes } from '../sessions/listed-runs.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';
import type { PageState } from './feed.ts';
import {
  beginningOf,
  type History,
  type HistoryEntry,
  type HistoryRow,
  pastRuns,
} from './history.ts';
import { maySee, seenSession } from './seen-sessions.ts';

interface BuildletPageParts {
  readonly coordinator: Coordinator;
  readonly book: SessionBook;
  readonly history: History;
  /** Whether the arguments of commands may be shown. */
  readonly withArguments: boolean;
}

/** How long a machine may take to list its runs, in ms. */
const askTimeoutMs = 5_000;

/** How many rows are shown of each kind. */
const shownLimit = 200;

/** How many that have ended are listed. */
const endedLimit = 1_000;

/** Whether the viewer may see a buildlet of that name, there or ended. */
export function isKnown({ book, history }: BuildletPageParts, user: User, name: string): boolean {
  if (seenSession(book, user, name) !== undefined) return true;
  const entry = history.get(name);
  return entry !== undefined && maySee(user, entry);
}

export async function buildletPageState(
  parts: BuildletPageParts,
  user: User,
  name: string,
): Promise<PageState> {
  const { coordinator, book, history } = parts;
  const session = seenSession(book, user, name);
  const known = history.get(name);
  const entry = known !== undefined && maySee(user, known) ? known : undefined;
  const rows = entry?.rows ?? [];
  const runs = session && (await runsIn(parts, session));
  return {
    user,
    rows: [],
    parts: {
      buildlet: session === undefined ? null : coordinator.views.session(user, session),
      ended: session === undefined && entry !== undefined ? endOf(entry) : null,
      // The machine's own word comes with how far the output is; without it there is what passed here.
      isAsked: runs !== undefined,
      runs: mergedRuns(runs ?? [], rows),
      files: rows.filter(({ event }) => event === 'transfer').slice(-shownLimit),
      events: rows
        .filter(({ event }) => !['exec', 'exec-end', 'transfer'].includes(event))
        .slice(-shownLimit),
    },
  };
}

async function runsIn(
  { coordinator, withArguments }: BuildletPageParts,
  session: Session,
): Promise<RunRow[] | undefined> {
  if (session.state !== 'running') return undefined;
  try {
    const { relay } = await coordinator.views.lookAt(session);
    return await runsOn(relay, timeoutSignal(askTimeoutMs), withArguments);
  } catch {
    // Its health tells that.
    return undefined;
  }
}

/** The runs that the machine knows, running and finished, the newest first; undefined when it cannot say. */
async function runsOn(relay: Relay, signal: AbortSignal, withArguments: boolean) {
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
    .slice(0, shownLimit);
}

type RunRow = NonNullable<Awaited<ReturnType<typeof runsOn>>>[number];

/** The newest first. */
export function endedFor({ book, history }: BuildletPageParts, user: User): object[] {
  return history
    .all()
    .filter((entry) => maySee(user, entry) && seenSession(book, user, entry.name) === undefined)
    .map(endOf)
    .sort((a, b) => (b.endedMs ?? 0) - (a.endedMs ?? 0))
    .slice(0, endedLimit);
}

function endOf(entry: HistoryEntry) {
  const { name, owner, rows, end } = entry;
  return {
    ...{ name, owner, ...beginningOf(entry) },
    endedMs: end?.atMs,
    why: end?.why ?? end?.reason,
    isDead: rows.some(({ event }) => event === 'died'),
    runs: rows.filter(({ event }) => event === 'exec').length,
  };
}

/** Those that the machine knows, and those that only the history knows, the newest first. */
function mergedRuns(runs: readonly RunRow[], rows: readonly HistoryRow[]): object[] {
  const byId = new Map(runs.map((run) => [run.id, run]));
  const past = pastRuns(rows)
    .filter(({ run }) => run === undefined || !byId.has(run))
    .map(({ run: id, command = '', durationMs = 0, ...row }) => {
      const { by, outcome, code, signal, startedMs } = row;
      return { id, command, by, outcome, code, signal, durationMs, startedMs, isPast: true };
    });
  return [...runs, ...past].sort((a, b) => b.startedMs - a.startedMs).slice(0, shownLimit);
}
