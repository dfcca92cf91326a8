// The machines of a backend that keeps notes with them: every coordinator on the platform finds each other's sessions there.
import type { Backend } from '../backends/backend.ts';
import type { PoolCall } from './pool.ts';
import type { Session } from './session.ts';
import { formatNote, joined, parseNote, type SharedSession } from './session-note.ts';

export interface SharedMachinesOptions {
  readonly list: Backend['list'];
  readonly note: NonNullable<Backend['note']>;
  readonly hostType: string;
  /** What the ids of this coordinator's machines begin with. */
  readonly owner: string;
  /** Coordinators of one team have the same users, and share their sessions. */
  readonly team: string;
}

export interface SharedListing {
  /** All machines of the host type. */
  readonly machines: ReadonlySet<string>;
  /** Those that the team's users have. */
  readonly sessions: readonly SharedSession[];
}

export class SharedMachines {
  readonly #options: SharedMachinesOptions;

  constructor(options: SharedMachinesOptions) {
    this.#options = options;
  }

  /** Whether this coordinator has made the machine. */
  isOwn(machine: string): boolean {
    return machine.startsWith(`${this.#options.owner}-`);
  }

  /** Everything that is there at some moment after the call. */
  async list(call: PoolCall): Promise<SharedListing> {
    const { hostType, team } = this.#options;
    const instances = await this.#options.list({ ...call, isWhole: true });
    const ofType = instances.filter((instance) => instance.hostType === hostType);
    return {
      machines: new Set(ofType.map(({ name }) => name)),
      sessions: ofType
        .map(({ name, note }) => parseNote(team, note, name))
        .filter((session) => session !== undefined),
    };
  }

  /** Writes the session to its machine, joined with what another coordinator has written; gives what is there then. */
  async keep(session: Session & { readonly machine: string }, call: PoolCall): Promise<Session> {
    const { team } = this.#options;
    const { name, machine } = session;
    let kept: Session = session;
    const amend = (note: string | undefined) => {
      const other = parseNote(team, note, machine);
      kept = other?.name === name ? joined(session, other) : session;
      return formatNote(team, kept);
    };
    await this.#options.note(machine, amend, call);
    return kept;
  }
}
