// Which snapshots go first.
import type { Snapshot } from '../../protocol/snapshot.ts';

/** A snapshot with its place. */
export interface Kept {
  /** The directory of its user. */
  readonly room: string;
  readonly snapshot: Snapshot;
}

/** Those to remove to get below the limit in bytes: results of setups first, then the least recently used. */
export function leastUsed(all: readonly Kept[], limitBytes: number): Kept[] {
  let bytes = all.reduce((sum, { snapshot }) => sum + snapshot.storedBytes, 0);
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
