// Metrics for Prometheus: the coordinator's current state, and counters.
import { readVersion } from '../package-root.ts';
import type { Snapshot } from '../protocol/snapshot.ts';
import type { Coordinator } from './coordinator.ts';
import type { RequestDone } from './http/server.ts';
import type { Log, LogFields } from './log.ts';
import { type Readiness, troubles } from './readiness.ts';
import type { Snapshots } from './snapshots/snapshots.ts';
import type { CoordinatorStore } from './store/coordinator-store.ts';
import type { StoreFacts } from './store/jobs.ts';

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

/** Values by their labels. */
type Values = readonly (readonly [Readonly<Record<string, string>>, number])[];
type Read = Values | Promise<Values>;

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
  /** A gauge that is read anew for each reply; the values of equal labels are added up. */
  const gauge = (name: string, help: string, labelNames: string[], read: () => Read) =>
    new Gauge({
      ...{ name, help, labelNames, registers },
      async collect() {
        const values = await read();
        this.reset();
        for (const [labels, value] of values) this.inc(labels, value);
      },
    });
  if (store !== undefined) {
    const count = (name: string, help: string, of: (facts: StoreFacts) => number) =>
      new Counter({
        ...{ name, help, registers },
        async collect() {
          const now = of(await store.facts());
          this.reset();
          this.inc(now);
        },
      });
    gauge('gomote_store_bytes', 'What the content store takes on disk.', [], async () => [
      [{}, (await store.facts()).storedBytes],
    ]);
    count(
      'gomote_store_hits_total',
      'Files of pushes whose content was in the store.',
      ({ hits }) => hits,
    );
    count(
      'gomote_store_misses_total',
      'Files of pushes whose content was sent.',
      ({ misses }) => misses,
    );
    count(
      'gomote_store_saved_bytes_total',
      'Bytes of files that were not sent.',
      ({ hitBytes }) => hitBytes,
    );
  }
  if (snapshots !== undefined) {
    const ofUsers = (name: string, help: string, of: (snapshot: Snapshot) => number) =>
      gauge(name, help, ['user'], () =>
        snapshots.all.map(({ snapshot }) => [{ user: snapshot.owner ?? '' }, of(snapshot)]),
      );
    ofUsers('gomote_snapshots', 'Snapshots that are kept for a user.', () => 1);
    ofUsers(
      'gomote_snapshot_bytes',
      'What the snapshots of a user take on disk.',
      ({ storedBytes }) => storedBytes,
    );
  }
  for (const name of misnamed) registry.removeSingleMetric(name);
  const view = () => coordinatorOf().views.of(everybody);
  gauge(
    'gomote_build_info',
    'Always 1; the labels say what runs.',
    ['version', 'node_version'],
    () => [[{ version: readVersion(), node_version: process.version }, 1]],
  );
  gauge('gomote_sessions', 'Sessions by state and host type.', ['state', 'host_type'], () =>
    view().sessions.map(({ state, hostType }) => [{ state, host_type: hostType }, 1]),
  );
  gauge(
    'gomote_pool_machines',
    'Machines of a pool by state: lent, ready (made ahead), free (not made, or idle), down (they do not answer), unclean (they could not be cleaned).',
    ['host_type', 'pool', 'state'],
    () =>
      view().pools.flatMap(({ hostType: host_type, name, ...pool }) => {
        const { capacity, lent, warm: ready } = pool;
        const free = Math.max(0, capacity - lent - ready);
        const unavailable = { down: pool.down.length, unclean: pool.outOfService.length };
        return Object.entries({ lent, ready, free, ...unavailable }).map(
          ([state, value]) => [{ host_type, pool: name, state }, value] as const,
        );
      }),
  );
  gauge(
    'gomote_pool_capacity_machines',
    'How many machines of a pool can be lent at once.',
    ['host_type', 'pool'],
    () =>
      view().pools.map(({ hostType, name, capacity }) => [
        { host_type: hostType, pool: name },
        capacity,
      ]),
  );
  gauge(
    'gomote_pool_waiting_requests',
    'Requests that wait for a machine of a host type.',
    ['host_type'],
    () => {
      // Pools of a host type have one queue.
      const queues = new Map(view().pools.map(({ hostType, waiting }) => [hostType, waiting]));
      return [...queues].map(([host_type, waiting]) => [{ host_type }, waiting]);
    },
  );
  gauge('gomote_user_buildlets', 'Buildlets that a user has.', ['user'], () =>
    view()
      .sessions.filter(({ state }) => state === 'running')
      .map(({ owner }) => [{ user: owner }, 1]),
  );
  gauge(
    'gomote_trouble',
    'Whether something is wrong (1): pools that are not open, a disk that cannot be written, users or sessions that cannot be read. See /readyz.',
    ['what'],
    async () => {
      const { failures, warnings } = await readiness();
      return troubles.map((what) => [{ what }, failures.has(what) || warnings.has(what) ? 1 : 0]);
    },
  );
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
