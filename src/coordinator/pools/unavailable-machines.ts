// Unavailable machines: since when, and why.
import { formatDuration } from '../../duration.ts';
import type { Log } from '../log.ts';

/** `down`: it does not answer. `unclean`: it answers, but what its last user left cannot be removed. */
export type FaultKind = 'down' | 'unclean';

interface UnavailableMachine {
  readonly machine: string;
  readonly what: FaultKind;
  readonly reason: string;
  /** When it was first found so. */
  readonly sinceMs: number;
}

/** How many are remembered: machines that dial in may have ever new names. */
const limit = 1_000;

export class UnavailableMachines {
  readonly #hostType: string;
  readonly #log: Log;
  readonly #machines = new Map<string, UnavailableMachine>();

  constructor(hostType: string, log: Log) {
    this.#hostType = hostType;
    this.#log = log;
  }

  get all(): readonly UnavailableMachine[] {
    return [...this.#machines.values()];
  }

  get(machine: string): UnavailableMachine | undefined {
    return this.#machines.get(machine);
  }

  /** All of them with their reasons, in one line. */
  get text(): string {
    return this.all
      .map(({ machine, what, reason, sinceMs }) => {
        const forMs = Math.max(0, Date.now() - sinceMs);
        const state = what === 'down' ? 'has been down' : 'could not be cleaned';
        return `${machine} ${state} for ${formatDuration(forMs)}: ${reason}`;
      })
      .join('; ');
  }

  /** Notes that the machine cannot be lent; each change is logged once. */
  add(machine: string, what: FaultKind, reason: string): void {
    const known = this.#machines.get(machine);
    const sinceMs = known?.what === what ? known.sinceMs : Date.now();
    this.#machines.set(machine, { machine, what, reason, sinceMs });
    if (known?.what === what && known.reason === reason) return;
    this.#log.write(`machine-${what}`, { hostType: this.#hostType, machine, reason });
    const [oldest] = this.#machines.keys();
    if (this.#machines.size > limit && oldest !== undefined) this.#machines.delete(oldest);
  }

  /** The machine can be lent again. */
  remove(machine: string): void {
    const known = this.#machines.get(machine);
    if (known === undefined) return;
    this.#machines.delete(machine);
    const ms = Date.now() - known.sinceMs;
    this.#log.write('machine-up', { hostType: this.#hostType, machine, was: known.what, ms });
  }

  /** The machine no longer belongs to this pool. */
  forget(machine: string): void {
    this.#machines.delete(machine);
  }
}
