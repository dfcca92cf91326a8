// Which runs go on on a machine while no request of theirs passes: detached ones, and those whose reader was cut off.
import * as v from 'valibot';
import { endpoints } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';

/** A request that is being relayed. */
export interface RunningRequest {
  readonly method: string;
  /** Without its query, which may hold what is nobody else's business. */
  readonly path: string;
  readonly sinceMs: number;
  /** What it runs, when it starts a command. */
  readonly command: string | undefined;
  /** The id of the run that it starts or reads. */
  readonly run?: string | undefined;
}

/** A run that goes on. */
export interface Run {
  readonly id: string;
  readonly command: readonly string[];
  readonly sinceMs: number;
}

/** What is used of a buildlet's word on its sessions. */
const repliesSchema = v.array(
  v.object({
    id: v.string(),
    command: v.array(v.string()),
    running: v.boolean(),
    started: v.string(),
  }),
);

/** The most that is read of such a reply, in bytes: so many runs at once are more than a page shows. */
export const runsReplyBytes = 4 << 20;

export class MachineRuns {
  /** What to ask the machine for. */
  static readonly path = withQuery(endpoints.sessions.path, { running: '1' });
  #runs: readonly Run[] = [];
  #mayHaveSome = true;

  /** Whether there is something to ask: at first, after a run was left to itself, and while any goes on. */
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

  /** Takes the machine's reply in; undefined from one that knows no sessions. True when another run goes on than before. */
  take(reply: string | undefined): boolean {
    const before = this.#runs;
    this.#runs = reply === undefined ? [] : goingOn(reply);
    this.#mayHaveSome = this.#runs.length > 0;
    return before.map(({ id }) => id).join() !== this.#runs.map(({ id }) => id).join();
  }
}

/** A reply that cannot be read tells of none. */
function goingOn(reply: string): Run[] {
  try {
    return v
      .parse(repliesSchema, JSON.parse(reply))
      .filter(({ running }) => running)
      .map(({ id, command, started }) => ({ id, command, sinceMs: Date.parse(started) }));
  } catch {
    return [];
  }
}

/** All that goes on there, each run once: as the request that started it and has its output, else by itself. */
export function runningThere(
  requests: readonly RunningRequest[],
  runs: readonly Run[],
  withArguments: boolean,
): RunningRequest[] {
  const { path } = endpoints.session;
  const starting = requests.filter(({ command }) => command !== undefined);
  const started = new Set(starting.map(({ run }) => run));
  const known = new Set(runs.map(({ id }) => id));
  // Who reads a run, or sends it input, signals and signs of life, is no more than the run is.
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
      return { method: 'POST', path, sinceMs, command: words.join(' '), run: id };
    }),
  ];
}
