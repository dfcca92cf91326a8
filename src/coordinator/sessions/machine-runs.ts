// Runs on a machine that no request follows: detached ones, and those whose reader was disconnected.
import * as v from 'valibot';
import { printable } from '../../printable.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import { parseJson } from '../../protocol/reply-fields.ts';
import { isSessionId } from '../../protocol/session.ts';

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

/** An active run. */
export interface Run {
  readonly id: string;
  readonly command: readonly string[];
  readonly sinceMs: number;
}

/** What is used of a machine's word on its runs. It may say anything: what does not fit is left out. */
const runSchema = v.object({
  id: v.pipe(v.string(), v.check(isSessionId)),
  command: v.pipe(v.array(v.string()), v.minLength(1)),
  running: v.literal(true),
  started: v.pipe(
    v.string(),
    v.transform((text) => Date.parse(text)),
    v.number(),
    v.finite(),
  ),
});

/** How many runs of a machine are known, and how much of a command is shown, in words and in characters. */
const runLimit = 1_000;
const wordLimit = 100;
const commandLimit = 500;

/** The most that is read of such a reply, in bytes: it holds more runs than a page shows. */
export const runsReplyBytes = 4 << 20;

export class MachineRuns {
  /** What to ask the machine for. */
  static readonly path = withQuery(endpoints.sessions.path, { running: '1' });
  #runs: readonly Run[] = [];
  #mayHaveSome = true;

  /** Whether there is something to ask: at first, after a run lost its request, and while any run is active. */
  get mayHaveSome(): boolean {
    return this.#mayHaveSome;
  }

  get all(): readonly Run[] {
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

/** An invalid reply has no runs; an invalid run is left out. */
function runsOf(reply: string): Run[] {
  const listed = v.safeParse(v.array(v.unknown()), parseJson(reply));
  if (!listed.success) return [];
  const runs = new Map<string, Run>();
  for (const one of listed.output) {
    const { success, output } = v.safeParse(runSchema, one);
    if (!success || runs.size >= runLimit) continue;
    const { id, command, started } = output;
    // Of each word no more than can be shown: a machine may send megabytes.
    const words = command.slice(0, wordLimit).map((word) => printable(word.slice(0, commandLimit)));
    runs.set(id, { id, command: words, sinceMs: Math.min(started, Date.now()) });
  }
  return [...runs.values()];
}

/** All active runs, each once: as the request that started it and has its output, else by itself. */
export function runningThere(
  requests: readonly RunningRequest[],
  runs: readonly Run[],
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
    ...alone.map(({ id, command, sinceMs }) => {
      const words = withArguments ? command : command.slice(0, 1);
      return {
        method: 'POST',
        path,
        sinceMs,
        command: words.join(' ').slice(0, commandLimit),
        run: id,
      };
    }),
  ];
}
