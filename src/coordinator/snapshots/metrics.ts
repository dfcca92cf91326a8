// Metrics of the coordinator's snapshots.
import type { Gauge, Registry } from 'prom-client';
import type { Kept } from './least-used.ts';
import type { Snapshots } from './snapshots.ts';

export function snapshotMetrics(
  GaugeOf: typeof Gauge,
  snapshots: Snapshots,
  registers: Registry[],
): void {
  const gauge = (name: string, help: string, of: (one: Kept) => number) =>
    new GaugeOf({
      name,
      help,
      labelNames: ['user'],
      registers,
      collect() {
        this.reset();
        for (const one of snapshots.all) this.inc({ user: one.snapshot.owner ?? '' }, of(one));
      },
    });
  gauge('gomote_snapshots', 'Snapshots that are kept for a user.', () => 1);
  gauge(
    'gomote_snapshot_bytes',
    'What the snapshots of a user take on disk.',
    ({ snapshot }) => snapshot.storedBytes,
  );
}
