// A request for machines, from the moment it waits.
import type { AcquireCall } from './pool.ts';

export interface MachineRequest extends AcquireCall {
  readonly owner: string;
  /** How many machines it wants: all at once, or none. */
  readonly count: number;
  readonly sinceMs: number;
  /** The last position that was reported. */
  shownAhead: number | undefined;
  readonly grant: (ids: string[]) => void;
  readonly refuse: (error: unknown) => void;
}

/** What of it may be shown. */
export interface WaitingView extends Pick<MachineRequest, 'owner' | 'count' | 'sinceMs'> {
  readonly ahead: number;
}
