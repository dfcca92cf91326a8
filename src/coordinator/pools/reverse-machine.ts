// A machine that dials in, as its pool knows it.
import { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
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
  state: 'dirty' | 'clean' | 'held' | 'kept' | 'releasing';
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

/** A client that connects by the machine's own connection, as it is at each request. */
export function clientOf(machine: Machine): BuildletClient {
  const label = `machine ${machine.name}`;
  const dial = async () => {
    if (machine.link !== undefined) return machine.link.open();
    throw new GomoteError('ERR_CONNECT', `${label} is away: ${machine.awayReason}`);
  };
  return new BuildletClient({ kind: 'dial', label, dial });
}
