// The results of setups that are kept as snapshots of the work directory.
import { createHash } from 'node:crypto';
import type { Snapshot } from '../../protocol/snapshot.ts';
import { digestOfSetups, type Setup } from '../setup.ts';
import type { SnapshotStore } from './store.ts';

/** The maximum age of a result, in ms: downloads in it become outdated. */
const oldestMs = 7 * 24 * 3_600_000;

/** The maximum number and total size of results. */
const keptCount = 10;
export const keptBytes = 20 * 2 ** 30;

/** The name of the result of these setups on that kind of machine. */
export function resultTag(machine: unknown, setups: readonly Setup[]): string {
  const kind = JSON.stringify(machine);
  const key = createHash('sha256').update(kind).update(digestOfSetups(setups)).digest('hex');
  return `setup-${key.slice(0, 24)}`;
}

/** An older one has to be removed before another is kept. */
export const isFresh = ({ created }: Pick<Snapshot, 'created'>): boolean =>
  Date.now() - Date.parse(created) < oldestMs;

/** Removes the results that were used least lately. */
export async function pruneResults(store: SnapshotStore): Promise<void> {
  await store.prune(keptCount, keptBytes);
}

/** Whether the result is whole without the rest of the machine, whatever the setup does: the rest is there. */
export const hasAllElse = (kind: string | undefined, isolation: string | undefined): boolean =>
  kind === 'local' && isolation !== 'bubblewrap';
