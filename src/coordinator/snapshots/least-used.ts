// Which snapshots go first.
import { GomoteError } from '../../errors.ts';
import type { Snapshot } from '../../protocol/snapshot.ts';
import type { SnapshotLimits } from './size-watch.ts';

/** What takes room: a snapshot, or one that cannot be read. */
export interface Kept {
  /** The directory of its user. */
  readonly room: string;
  readonly snapshot: Pick<Snapshot, 'tag' | 'owner' | 'storedBytes' | 'used' | 'isAutomatic'> &
    Partial<Pick<Snapshot, 'kind'>>;
}

const bytesOf = (all: readonly Kept[]): number =>
  all.reduce((sum, { snapshot }) => sum + snapshot.storedBytes, 0);

/** Those to remove to get below the limit in bytes: results of setups first, then the least recently used. */
function leastUsed(all: readonly Kept[], limitBytes: number): Kept[] {
  let bytes = bytesOf(all);
  const order = [...all].sort(
    ({ snapshot: a }, { snapshot: b }) =>
      Number(b.isAutomatic) - Number(a.isAutomatic) || a.used.getTime() - b.used.getTime(),
  );
  return order.filter(({ snapshot }) => {
    if (bytes <= limitBytes) return false;
    bytes -= snapshot.storedBytes;
    return true;
  });
}

interface RoomRequest extends SnapshotLimits {
  /** The directory of the user who needs room. */
  readonly own: string;
  readonly bytes: number;
  /** Those that cannot be removed at the moment. */
  readonly held: readonly Kept[];
}

/** The least recently used ones: without them, this many more bytes fit within both limits. Throws ERR_QUOTA. */
export function toRemove(
  all: readonly Kept[],
  { own, bytes, held: named, limitBytes, perUserBytes }: RoomRequest,
): Kept[] {
  const isOfUser = (one: Kept) => one.room === own;
  const isSame = (one: Kept, other: Kept) =>
    one.room === other.room && one.snapshot.tag === other.snapshot.tag;
  const held = all.filter((one) => named.some((other) => isSame(one, other)));
  const free = all.filter((one) => !held.includes(one));
  const forUser = perUserBytes - bytes - bytesOf(held.filter(isOfUser));
  const forAll = limitBytes - bytes - bytesOf(held);
  if (Math.min(forUser, forAll) < 0) {
    throw new GomoteError('ERR_QUOTA', 'snapshots that are in use leave no room for this one', {
      hint: 'try again later, or keep it on your machine with --here',
    });
  }
  const ofUser = leastUsed(free.filter(isOfUser), forUser);
  const left = free.filter((one) => !ofUser.includes(one));
  return [...ofUser, ...leastUsed(left, forAll)];
}
