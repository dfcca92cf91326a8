// What a person may see of a coordinator, for `list` and the status page.
import { type Priority, priorities } from '../../protocol/priority.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { PoolTable } from '../pools/pool-table.ts';
import type { WaitingView } from '../pools/request.ts';
import type { FaultKind } from '../pools/unavailable-machines.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';
import type { Health, MachineConnections } from './machine-connections.ts';
import type { RunningRequest } from './machine-runs.ts';
import type { Session } from './session.ts';

interface SessionView extends Omit<Session, 'pool' | 'machine' | 'key' | 'isClaimed' | 'reason'> {
  /** For admins. */
  readonly machine?: string | undefined;
  readonly health: Health;
  readonly reason: string | undefined;
  readonly running: readonly RunningRequest[];
}

interface PoolMachine {
  readonly machine: string;
  readonly sinceMs: number;
  readonly reason?: string;
}

interface PoolView {
  readonly name: string;
  readonly hostType: string;
  readonly kind: string;
  readonly capacity: number;
  readonly lent: number;
  readonly warm: number;
  /** How many requests wait for machines of the host type. */
  readonly waiting: number;
  /** Machines that do not answer; why is for admins. */
  readonly down: readonly PoolMachine[];
  /** Machines that could not be cleaned. */
  readonly outOfService: readonly PoolMachine[];
}

interface WaitingRow extends Omit<WaitingView, 'priority'> {
  readonly hostType: string;
  readonly priority: Priority;
}

export interface CoordinatorView {
  readonly sessions: readonly SessionView[];
  readonly pools: readonly PoolView[];
  readonly queue: readonly WaitingRow[];
}

/** What is known of sessions and pools at this moment. */
export class Views {
  readonly #book: SessionBook;
  readonly #pools: PoolTable;
  readonly #machines: MachineConnections;

  constructor(book: SessionBook, pools: PoolTable, machines: MachineConnections) {
    this.#book = book;
    this.#pools = pools;
    this.#machines = machines;
  }

  healthOf(name: string): Health {
    return this.#book.get(name)?.state === 'dead' ? 'dead' : this.#machines.healthOf(name);
  }

  /** Why it is dead, or what is wrong with it at the moment. */
  troubleOf({ name, reason }: Session): string | undefined {
    return reason ?? this.#machines.troubleOf(name);
  }

  /** How much each pool has to do, and how many wait for its host type. */
  get loads(): { name: string; lent: number; waiting: number }[] {
    return this.#pools.queues.flatMap(({ allocators, waiting }) =>
      allocators.map(({ pool: { name }, lent }) => ({ name, lent, waiting: waiting.length })),
    );
  }

  /** The connection to the session's machine, for inspection: that does not count as use. */
  async lookAt(session: Session) {
    return await this.#machines.of(session);
  }

  /** What a user may see: their own rows, or all for an admin. */
  of(user: User): CoordinatorView {
    const isShown = ({ owner }: { owner: string }) => user.isAdmin || owner === user.name;
    const { queues } = this.#pools;
    return {
      sessions: this.#book
        .all()
        .filter(isShown)
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((session) => this.session(user, session)),
      pools: queues.flatMap(({ allocators, waiting }) =>
        allocators.map((one) => poolView(one, waiting.length, user)),
      ),
      queue: queues.flatMap(({ hostType, waiting }) =>
        waiting.filter(isShown).map((row) => ({
          ...{ ...row, hostType },
          priority: priorities[row.priority] ?? 'normal',
        })),
      ),
    };
  }

  session(user: User, session: Session): SessionView {
    const { name, owner, hostType, builderType, labels, state, createdMs, expiresMs } = session;
    return {
      ...{ name, owner, hostType, builderType, labels, state, createdMs, expiresMs },
      ...(user.isAdmin && { machine: session.machine }),
      health: this.healthOf(name),
      reason: this.troubleOf(session),
      running: this.#machines.runningOf(name),
    };
  }
}

function poolView({ pool, lent, warm }: MachineAllocator, waiting: number, user: User): PoolView {
  const { name, hostType, kind, capacity, unavailable } = pool;
  const machines = (what: FaultKind): PoolMachine[] =>
    (unavailable?.all ?? [])
      .filter((one) => one.what === what)
      .map(({ machine, sinceMs, reason }) =>
        user.isAdmin ? { machine, sinceMs, reason } : { machine, sinceMs },
      );
  return {
    ...{ name, hostType, kind, capacity, lent, warm, waiting },
    ...{ down: machines('down'), outOfService: machines('unclean') },
  };
}
