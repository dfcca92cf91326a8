// Metrics for Prometheus: the coordinator's current state, and counters.

import { readVersion } from '../package-root.ts';
import type { Coordinator } from './coordinator.ts';
import type { RequestDone } from './http/server.ts';
import type { Log, LogFields } from './log.ts';
import { type Readiness, troubles } from './readiness.ts';
import { snapshotMetrics } from './snapshots/metrics.ts';
import type { Snapshots } from './snapshots/snapshots.ts';
import type { CoordinatorStore } from './store/coordinator-store.ts';
import { storeMetrics } from './store/metrics.ts';

export interface Metrics {
  /** Records a finished request. */
  request(done: RequestDone): void;
  /** Counts the rows of the audit trail. */
  readonly audited: Log;
  /** The text of `/metrics`. */
  text(): Promise<{ body: string; contentType: string }>;
}

/** In seconds: from a status request to a build of an hour. */
const durationBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3_600];

/** In seconds: from a ready machine to an hour in the queue. */
const createBuckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];

/** Node's metrics whose names have a suffix that only counters may have. */
const misnamed = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

const everybody = { name: '', isAdmin: true };

export async function createMetrics(
  coordinatorOf: () => Coordinator,
  readiness: () => Promise<Readiness>,
  store?: CoordinatorStore | undefined,
  snapshots?: Snapshots | undefined,
): Promise<Metrics> {
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import(
    'prom-client'
  );
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  if (store !== undefined) storeMetrics({ Gauge, Counter }, store, registers);
  if (snapshots !== undefined) snapshotMetrics(Gauge, snapshots, registers);
  for (const name of misnamed) registry.removeSingleMetric(name);
  const view = () => coordinatorOf().view(everybody);
  new Gauge({
    name: 'gomote_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node_version'],
    registers,
  }).set({ version: readVersion(), node_version: process.version }, 1);
  new Gauge({
    name: 'gomote_sessions',
    help: 'Sessions by state and host type.',
    labelNames: ['state', 'host_type'],
    registers,
    collect() {
      this.reset();
      for (const { state, hostType } of view().sessions) {
        this.inc({ state, host_type: hostType });
      }
    },
  });
  new Gauge({
    name: 'gomote_pool_machines',
    help: 'Machines of a pool by state: lent, ready (made ahead), free (not made, or idle), down (they do not answer), unclean (they could not be cleaned).',
    labelNames: ['host_type', 'pool', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { hostType: host_type, name, ...pool } of view().pools) {
        const { capacity, lent, warm: ready } = pool;
        const free = Math.max(0, capacity - lent - ready);
        const unfit = { down: pool.down.length, unclean: pool.outOfService.length };
        for (const [state, value] of Object.entries({ lent, ready, free, ...unfit })) {
          this.set({ host_type, pool: name, state }, value);
        }
      }
    },
  });
  new Gauge({
    name: 'gomote_pool_capacity_machines',
    help: 'How many machines of a pool can be lent at once.',
    labelNames: ['host_type', 'pool'],
    registers,
    collect() {
      this.reset();
      for (const { hostType, name, capacity } of view().pools)
        this.set({ host_type: hostType, pool: name }, capacity);
    },
  });
  new Gauge({
    name: 'gomote_pool_waiting_requests',
    help: 'Requests that wait for a machine of a host type.',
    labelNames: ['host_type'],
    registers,
    collect() {
      this.reset();
      for (const { hostType, waiting } of view().pools) this.set({ host_type: hostType }, waiting);
    },
  });
  new Gauge({
    name: 'gomote_user_buildlets',
    help: 'Buildlets that a user has.',
    labelNames: ['user'],
    registers,
    collect() {
      this.reset();
      for (const { owner, state } of view().sessions) {
        if (state === 'running') this.inc({ user: owner });
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
  const bytes = new Counter({
    name: 'gomote_relayed_bytes_total',
    help: 'Bytes of bodies that were relayed to buildlets (request) and from them (reply).',
    labelNames: ['direction'],
    registers,
  });
  const creates = new Counter({
    name: 'gomote_creates_total',
    help: 'Buildlets that were asked for, by outcome: ok, or the code of the error.',
    labelNames: ['host_type', 'outcome'],
    registers,
  });
  const waits = new Histogram({
    name: 'gomote_create_seconds',
    help: 'How long it took until a buildlet could be used, with the time in the queue.',
    labelNames: ['host_type'],
    buckets: createBuckets,
    registers,
  });
  const deaths = new Counter({
    name: 'gomote_buildlet_deaths_total',
    help: 'Buildlets whose machine died or was lost.',
    labelNames: ['host_type'],
    registers,
  });
  const used = new Counter({
    name: 'gomote_user_buildlet_seconds_total',
    help: 'For how long a user had buildlets that have ended since.',
    labelNames: ['user'],
    registers,
  });
  const onAudit: Record<string, (fields: LogFields) => void> = {
    create: ({ hostType, outcome, code, waitedMs }) => {
      const host_type = String(hostType);
      creates.inc({ host_type, outcome: outcome === 'ok' ? 'ok' : String(code) });
      if (outcome === 'ok') waits.observe({ host_type }, Number(waitedMs) / 1_000);
    },
    died: ({ hostType }) => deaths.inc({ host_type: String(hostType) }),
    destroy: ({ owner, hadMs }) => used.inc({ user: String(owner) }, Number(hadMs) / 1_000),
  };
  return {
    request: ({ path, status, ms, requestBytes = 0, replyBytes = 0 }) => {
      requests.inc({ path, status: String(status) });
      durations.observe({ path }, ms / 1_000);
      bytes.inc({ direction: 'request' }, requestBytes);
      bytes.inc({ direction: 'reply' }, replyBytes);
    },
    audited: { write: (event, fields = {}) => onAudit[event]?.(fields) },
    text: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
  };
}
