// Metrics for Prometheus: the coordinator's state at the moment of the request, and counters.
import type { Coordinator } from './coordinator.ts';
import { type Readiness, troubles } from './readiness.ts';

export interface Metrics {
  /** Notes a request that is over. */
  request(done: { path: string; status: number; ms: number }): void;
  /** The text of `/metrics`. */
  text(): Promise<{ body: string; contentType: string }>;
}

/** In seconds: from a status to an hour's build. */
const durationBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3_600];

const everybody = { name: '', isAdmin: true };

export async function createMetrics(
  coordinator: Coordinator,
  readiness: () => Promise<Readiness>,
): Promise<Metrics> {
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import(
    'prom-client'
  );
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'gomote_sessions',
    help: 'Sessions by state and host type.',
    labelNames: ['state', 'host_type'],
    registers,
    collect() {
      this.reset();
      for (const { state, hostType } of coordinator.view(everybody).sessions) {
        this.inc({ state, host_type: hostType });
      }
    },
  });
  new Gauge({
    name: 'gomote_pool_machines',
    help: 'Machines of a pool: capacity, lent, ready ahead (warm), requests that wait for one, machines that do not answer (down), and machines that could not be cleaned.',
    labelNames: ['host_type', 'what'],
    registers,
    collect() {
      for (const { hostType, down, outOfService, ...pool } of coordinator.view(everybody).pools) {
        const { capacity, lent, warm, waiting } = pool;
        const numbers = {
          ...{ capacity, lent, warm, waiting, down: down.length },
          'out-of-service': outOfService.length,
        };
        for (const [what, value] of Object.entries(numbers)) {
          this.set({ host_type: hostType, what }, value);
        }
      }
    },
  });
  new Gauge({
    name: 'gomote_trouble',
    help: 'Whether something is wrong (1): pools that are not open, a disk that cannot be written, users or sessions that cannot be read. See /readyz.',
    labelNames: ['what'],
    registers,
    async collect() {
      const { failures, warnings } = await readiness();
      for (const what of troubles) {
        this.set({ what }, failures.has(what) || warnings.has(what) ? 1 : 0);
      }
    },
  });
  const requests = new Counter({
    name: 'gomote_requests_total',
    help: 'Requests by path (relay: all that went to a buildlet) and status; status 0: the client left before a reply.',
    labelNames: ['path', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'gomote_request_seconds',
    help: 'How long requests took, by path.',
    labelNames: ['path'],
    buckets: durationBuckets,
    registers,
  });
  return {
    request: ({ path, status, ms }) => {
      requests.inc({ path, status: String(status) });
      durations.observe({ path }, ms / 1_000);
    },
    text: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
  };
}
