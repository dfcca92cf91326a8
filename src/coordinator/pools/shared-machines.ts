// The machines of a backend that keeps notes with them: every coordinator on the platform finds each other's sessions there.
import type { Backend, BackendCall, SharedNotes } from '../../backends/backend.ts';
import type { Session } from '../sessions/session.ts';
import { formatNote, parseNote, type SharedSession } from '../sessions/session-note.ts';

interface SharedMachinesOptions {
  readonly list: Backend['list'];
  readonly note: SharedNotes['note'];
  readonly hostType: string;
  /** What the ids of this coordinator's machines begin with. */
  readonly owner: string;
  /** Coordinators of one team have the same users, and share their sessions. */
  readonly team: string;
}

/** A session that has its machine. */
export type SessionWithMachine = Session & { readonly machine: string };

interface KeepCall extends BackendCall {
  /** Default true: it is the session's for good, and for others to take up. */
  readonly isSettled?: boolean;
}

export interface SharedListing {
  /** All machines of the host type. */
  readonly machines: ReadonlySet<string>;
  /** Those that the team's users have, or are about to. */
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

  /** Everything that exists at some moment after the call. */
  async list(call: BackendCall): Promise<SharedListing> {
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

  /** Whether the machine's note says whose it is. */
  hasSession(machine: string, note: string | undefined): boolean {
    return parseNote(this.#options.team, note, machine)?.isSettled === true;
  }

  /** Writes the session to its machine; gives when it ends: the later of what it says and what another has written. */
  async keep(session: SessionWithMachine, call: KeepCall): Promise<number> {
    const { team } = this.#options;
    let { expiresMs } = session;
    const amend = (note: string | undefined) => {
      const other = parseNote(team, note, session.machine);
      expiresMs = Math.max(session.expiresMs, other?.expiresMs ?? 0);
      return formatNote(team, { ...session, expiresMs }, call);
    };
    await this.#options.note(session.machine, amend, call);
    return expiresMs;
  }
}
