// Which runs go on on a machine while no request of theirs passes: detached ones, and those whose reader was cut off.
import * as v from 'valibot';
import { endpoints } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';

/** One that goes on. */
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
