// Which snapshots go first.
import type { Snapshot } from '../../protocol/snapshot.ts';

/** What takes room: a snapshot, or one that cannot be read. */
export interface Kept {
  /** The directory of its user. */
  readonly room: string;
  readonly snapshot: Pick<Snapshot, 'tag' | 'owner' | 'storedBytes' | 'used' | 'isAutomatic'>;
}

export const bytesOf = (all: readonly Kept[]): number =>
  all.reduce((sum, { snapshot }) => sum + snapshot.storedBytes, 0);

/** Those to remove to get below the limit in bytes: results of setups first, then the least recently used. */
export function leastUsed(all: readonly Kept[], limitBytes: number): Kept[] {
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
