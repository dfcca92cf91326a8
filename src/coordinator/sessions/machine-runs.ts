// Runs on a machine that no request follows: detached ones, and those whose reader was disconnected.
import { GomoteError } from '../../errors.ts';
import type { Relay } from '../../http/relay/proxy.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import { commandText, type ListedRun, listedRuns, runsReplyBytes } from './listed-runs.ts';

/** A request that is being relayed. */
export interface RunningRequest {
  readonly method: string;
  /** Without its query, which may be confidential. */
  readonly path: string;
  readonly sinceMs: number;
  /** What it runs, when it starts a command. */
  readonly command: string | undefined;
  /** The id of the run that it starts or reads. */
  readonly run?: string | undefined;
}

/** How many active runs of a machine are known. */
const runLimit = 1_000;

export class MachineRuns {
  /** What to ask the machine for. */
  static readonly path = withQuery(endpoints.sessions.path, { running: '1' });
  #runs: readonly ListedRun[] = [];
  #mayHaveSome = true;

  /** Whether there is something to ask: at first, after a run lost its request, and while any run is active. */
  get mayHaveSome(): boolean {
    return this.#mayHaveSome;
  }

  get all(): readonly ListedRun[] {
    return this.#runs;
  }

  /** A run was left to itself. */
  left(): void {
    this.#mayHaveSome = true;
  }

  /** Handles the machine's reply; undefined if it has no sessions. Returns whether there is a new run. */
  take(reply: string | undefined): boolean {
    const before = this.#runs;
    this.#runs = reply === undefined ? [] : runsOf(reply);
    this.#mayHaveSome = this.#runs.length > 0;
    return before.map(({ id }) => id).join() !== this.#runs.map(({ id }) => id).join();
  }
}

const runsOf = (reply: string): ListedRun[] =>
  (listedRuns(reply) ?? []).filter(({ running }) => running).slice(0, runLimit);

/** All active runs, each once: as the request that started it and has its output, else by itself. */
export function runningThere(
  requests: readonly RunningRequest[],
  runs: readonly ListedRun[],
  withArguments: boolean,
): RunningRequest[] {
  const { path } = endpoints.session;
  const starting = requests.filter(({ command }) => command !== undefined);
  const started = new Set(starting.map(({ run }) => run));
  const known = new Set(runs.map(({ id }) => id));
  // Requests that read a run, or send it input, signals and heartbeats, are not shown beside the run.
  const others = requests.filter(
    ({ command, run, path: at }) =>
      command === undefined && !at.startsWith(`${path}/`) && !known.has(run ?? ''),
  );
  const alone = runs.filter(({ id }) => !started.has(id));
  return [
    ...starting,
    ...others,
    ...alone.map((run) => ({
      ...{ method: 'POST', path, sinceMs: run.startedMs, run: run.id },
      command: commandText(run, withArguments),
    })),
  ];
}

/** Whether the machine answers as it should, and which runs continue there, in one request where that is known to do. */
export async function lookAt(
  relay: Relay,
  runs: MachineRuns,
  signal: AbortSignal,
): Promise<boolean> {
  if (runs.mayHaveSome) {
    const { status, text } = await relay.get(MachineRuns.path, signal, runsReplyBytes);
    if (status === 200) return runs.take(text);
    runs.take(undefined);
  }
  const { status } = await relay.get(endpoints.status.path, signal);
  if (status !== 200) throw new GomoteError('ERR_STATUS', `it answers with status ${status}`);
  return false;
}
