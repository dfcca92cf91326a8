// Adopts the sessions that an earlier coordinator left in a pool, so that its machines are lent again.
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { Pool } from '../pools/pool.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { Session } from './session.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';

interface AdoptParts {
  readonly book: SessionBook;
  readonly sessions: SessionTransitions;
  readonly sharing: Sharing;
  /** Whether there is a pool of that name. */
  readonly isPool: (name: string) => boolean;
  readonly log: Log;
}

/** Opens the pool; resolves once it hands out machines. */
export async function adoptSessions(
  allocator: MachineAllocator,
  { book, sessions, sharing, isPool, log }: AdoptParts,
): Promise<void> {
  const { name: pool, shared } = allocator.pool;
  const held = new Map<string, string>();
  const own = book.all().filter((one) => one.pool === pool && one.state !== 'dead');
  for (const { name, machine } of own) if (machine !== undefined) held.set(machine, name);
  const unread = book.unread.filter((one) => (isPool(one.pool ?? '') ? one.pool === pool : true));
  const kept = new Set(unread.flatMap(({ machine }) => machine ?? []));
  const leavesOthers = unread.some(({ machine }) => machine === undefined);
  const named = new Set(book.all().flatMap(({ machine }) => machine ?? []));
  const there = await allocator.open(new Set(held.keys()), { kept, leavesOthers, named });
  for (const [machine, name] of held) {
    const session = book.get(name);
    if (session?.state === 'ending') {
      sessions.end(name, 'it was ending').catch(sessions.trouble(`ending ${name}`));
    } else if (!there.has(machine) && shared === undefined) {
      sessions.died(name, 'its machine was gone when the coordinator started');
    }
  }
  log.write('pool-open', { pool, hostType: allocator.pool.hostType, held: held.size });
  if (shared === undefined) return;
  await sharing.look().catch(sessions.trouble(`looking for sessions of ${pool}`));
}

/** All sessions. Those whose pool is not there, as after its name was changed, continue in another of their host type. */
export function withPools(
  book: SessionBook,
  allocators: ReadonlyMap<string, MachineAllocator>,
): Session[] {
  for (const session of book.all()) {
    const { machine, pool, hostType } = session;
    if (machine === undefined || (pool !== undefined && allocators.has(pool))) continue;
    const pools = [...allocators.values()].map((allocator) => allocator.pool);
    const ofType = pools.filter((one) => one.hostType === hostType);
    const has = ({ members }: Pool) => members?.some(({ id }) => id === machine) === true;
    const found = ofType.find(has) ?? ofType.find(({ kind }) => kind !== 'static') ?? ofType[0];
    if (found !== undefined) book.note({ ...session, pool: found.name });
  }
  return book.all();
}
