// A machine that dials in, as its pool knows it.
import type { CallingLink } from '../../reverse/reverse-link.ts';

/** A machine since its buildlet started: what was on it is gone with the next start. */
export interface Machine {
  readonly id: string;
  readonly name: string;
  /** Absent while it is away. */
  link: CallingLink | undefined;
  /** Why it is away. */
  awayReason: string;
  awayTimer: NodeJS.Timeout | undefined;
  state: 'dirty' | 'clean' | 'held' | 'releasing';
}

export const machineId = (machine: string, boot: string): string => `${machine}.${boot}`;

export const newMachine = (id: string, state: Machine['state']): Machine => ({
  id,
  name: id.slice(0, id.lastIndexOf('.')),
  link: undefined,
  awayReason: 'it has not dialled since the coordinator started',
  awayTimer: undefined,
  state,
});
