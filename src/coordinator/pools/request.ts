// A request for machines, from the moment it waits.
import { GomoteError } from '../../errors.ts';
import type { AcquireCall, Pool } from './pool.ts';

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

/** Throws ERR_NO_CAPACITY where there will never be as many machines, and while none of the pool is up. */
export function refuseImpossible(pool: Pool, count: number): void {
  const { hostType, size, unfit } = pool;
  if (size !== undefined && count > size) {
    const message = `${count} buildlets can never be had at once: there are ${size} machines of ${hostType}`;
    throw new GomoteError('ERR_NO_CAPACITY', message, { hint: 'ask for fewer' });
  }
  if (unfit !== undefined && !hasMachinesUp(pool)) {
    throw new GomoteError('ERR_NO_CAPACITY', `no machine of ${hostType} is up: ${unfit.text}`);
  }
}

/** Whether there may be machines that come back, where the pool knows its machines. */
export const hasMachinesUp = ({ size, unfit }: Pool): boolean =>
  unfit !== undefined && unfit.all.length !== size;
