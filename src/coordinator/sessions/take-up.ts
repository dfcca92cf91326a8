// What an earlier coordinator left of the sessions of one pool is taken up, and its machines are lent again.
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';

interface TakeUpParts {
  readonly book: SessionBook;
  readonly sessions: SessionTransitions;
  readonly sharing: Sharing;
  readonly log: Log;
}

/** Opens the pool; resolves once it hands out machines. */
export async function takeUp(
  hostType: string,
  allocator: MachineAllocator,
  { book, sessions, sharing, log }: TakeUpParts,
): Promise<void> {
  const held = new Map<string, string>();
  const own = book.all().filter((one) => one.hostType === hostType && one.state !== 'dead');
  for (const { name, machine } of [...own, ...book.unread]) {
    if (machine !== undefined) held.set(machine, name);
  }
  const leavesOthers = book.unread.some(({ machine }) => machine === undefined);
  const there = await allocator.open(new Set(held.keys()), { leavesOthers });
  for (const [machine, name] of held) {
    const session = book.get(name);
    if (session?.state === 'ending') {
      sessions.end(name, 'it was ending').catch(sessions.trouble(`ending ${name}`));
    } else if (!there.has(machine) && allocator.pool.shared === undefined) {
      sessions.died(name, 'its machine was gone when the coordinator started');
    }
  }
  log.write('pool-open', { hostType, held: held.size });
  if (allocator.pool.shared === undefined) return;
  await sharing.look().catch(sessions.trouble(`looking for sessions of ${hostType}`));
}
