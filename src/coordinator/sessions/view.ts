// What a person may see of a coordinator, for `list` and the status page.
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { Unfitness } from '../pools/unfit-machines.ts';
import type { User } from '../state/user-records.ts';
import type { Health, MachineConnections } from './machine-connections.ts';
import type { RunningRequest } from './machine-runs.ts';
import type { Session, SessionState } from './session.ts';

interface SessionView {
  readonly name: string;
  readonly owner: string;
  readonly hostType: string;
  readonly builderType: string;
  readonly state: SessionState;
  readonly createdMs: number;
  readonly expiresMs: number;
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
  readonly hostType: string;
  readonly kind: string;
  readonly capacity: number;
  readonly lent: number;
  readonly warm: number;
  readonly waiting: number;
  /** Machines that do not answer; why is for admins. */
  readonly down: readonly PoolMachine[];
  /** Machines that could not be cleaned. */
  readonly outOfService: readonly PoolMachine[];
}

interface WaitingRow {
  readonly owner: string;
  readonly hostType: string;
  readonly ahead: number;
  /** How many machines it wants at once. */
  readonly count: number;
  readonly sinceMs: number;
}

export interface CoordinatorView {
  readonly sessions: readonly SessionView[];
  readonly pools: readonly PoolView[];
  readonly queue: readonly WaitingRow[];
}

export function viewOf(
  user: User,
  sessions: readonly Session[],
  allocators: readonly MachineAllocator[],
  machines: MachineConnections,
): CoordinatorView {
  const isShown = ({ owner }: { owner: string }) => user.isAdmin || owner === user.name;
  return {
    sessions: sessions.filter(isShown).map((session) => ({
      name: session.name,
      owner: session.owner,
      hostType: session.hostType,
      builderType: session.builderType,
      state: session.state,
      createdMs: session.createdMs,
      expiresMs: session.expiresMs,
      health: session.state === 'dead' ? 'dead' : machines.healthOf(session.name),
      reason: session.reason ?? machines.troubleOf(session.name),
      running: machines.runningOf(session.name),
    })),
    pools: allocators.map(({ pool: { hostType, kind, capacity, unfit }, lent, warm, waiting }) => {
      const machines = (what: Unfitness): PoolMachine[] =>
        (unfit?.all ?? [])
          .filter((one) => one.what === what)
          .map(({ machine, sinceMs, reason }) =>
            user.isAdmin ? { machine, sinceMs, reason } : { machine, sinceMs },
          );
      return {
        ...{ hostType, kind, capacity, lent, warm, waiting: waiting.length },
        ...{ down: machines('down'), outOfService: machines('unclean') },
      };
    }),
    queue: allocators.flatMap(({ pool: { hostType }, waiting }) =>
      waiting.filter(isShown).map((row) => ({ ...row, hostType })),
    ),
  };
}
