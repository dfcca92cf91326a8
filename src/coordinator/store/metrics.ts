// Metrics of the coordinator's store.
import type { Counter, Gauge, Registry } from 'prom-client';
import type { CoordinatorStore } from './coordinator-store.ts';
import type { StoreFacts } from './jobs.ts';

interface Kinds {
  readonly Gauge: typeof Gauge;
  readonly Counter: typeof Counter;
}

export function storeMetrics(
  { Gauge, Counter }: Kinds,
  store: CoordinatorStore,
  registers: Registry[],
): void {
  new Gauge({
    name: 'gomote_store_bytes',
    help: 'What the content store takes on disk.',
    registers,
    async collect() {
      this.set((await store.facts()).storedBytes);
    },
  });
  const count = (name: string, help: string, of: (facts: StoreFacts) => number) =>
    new Counter({
      name,
      help,
      registers,
      async collect() {
        const now = of(await store.facts());
        this.reset();
        this.inc(now);
      },
    });
  count(
    'gomote_store_hits_total',
    'Files of pushes whose content was in the store.',
    (facts) => facts.hits,
  );
  count(
    'gomote_store_misses_total',
    'Files of pushes whose content was sent.',
    (facts) => facts.misses,
  );
  count(
    'gomote_store_saved_bytes_total',
    'Bytes of files that were not sent.',
    (facts) => facts.hitBytes,
  );
}
