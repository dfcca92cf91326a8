// Every endpoint of the coordinator itself.
import { sendRefusal, sendText } from '../../http/server/reply.ts';
import { coordinatorPaths } from '../../protocol/endpoints.ts';
import { reversePath } from '../../protocol/reverse.ts';
import { snapshotImagesFeature, snapshotsFeature } from '../../protocol/snapshot.ts';
import type { CoordinatorConfig } from '../config.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ReverseGate } from '../pools/reverse-gate.ts';
import type { Readiness } from '../readiness.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import type { CoordinatorStore } from '../store/coordinator-store.ts';
import { create } from './handlers/create.ts';
import { extend, list, types } from './handlers/list.ts';
import { drain, machineList, undrain } from './handlers/machines.ts';
import { snapshotRoutes } from './handlers/snapshots.ts';
import { type CoordinatorHandler, type CoordinatorRoute, route } from './server.ts';

interface RouteParts {
  readonly coordinator: Coordinator;
  readonly audit: Log;
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
  readonly config: CoordinatorConfig;
  readonly gate: ReverseGate;
  /** Absent: none are kept. */
  readonly snapshots?: Snapshots | undefined;
  /** Absent: there is none. */
  readonly store?: CoordinatorStore | undefined;
}

export function routesOf({
  coordinator,
  audit,
  metrics,
  readiness,
  config,
  gate,
  snapshots,
  store,
}: RouteParts): CoordinatorRoute[] {
  const ready: CoordinatorHandler = async ({ response }) => {
    const { failures, warnings } = await readiness();
    const reasons = [...failures, ...warnings].map(([what, text]) => `${what}: ${text}`).join('; ');
    const text = (state: string) => (reasons === '' ? state : `${state}: ${reasons}`);
    if (failures.size === 0) sendText(response, `${text('ready')}\n`);
    else sendRefusal(response, 503, text('not ready'));
  };
  const features = snapshots === undefined ? [] : [snapshotsFeature, snapshotImagesFeature];
  const metricsText: CoordinatorHandler = async ({ response }) => {
    const { body, contentType } = await metrics.text();
    sendText(response, body, contentType);
  };
  const paths = coordinatorPaths;
  return [
    route('POST', paths.create, 'user', create(coordinator, { store, snapshots })),
    route('GET', paths.list, 'user', list(coordinator)),
    route('GET', paths.types, 'user', types(coordinator, audit, features)),
    route('POST', paths.extend, 'user', extend(coordinator, audit)),
    route('GET', paths.machines, 'admin', machineList(coordinator.machines)),
    route('POST', paths.drain, 'admin', drain(coordinator.machines)),
    route('POST', paths.undrain, 'admin', undrain(coordinator.machines)),
    ...snapshotRoutes(coordinator, snapshots),
    route('GET', paths.health, 'anyone', ({ response }) => sendText(response, 'ok\n')),
    route('GET', paths.ready, 'anyone', ready),
    route('GET', reversePath, 'anyone', gate.handle),
    route('GET', paths.metrics, config.openMetrics ? 'anyone' : 'monitor', metricsText),
  ];
}
