// Every endpoint of the coordinator itself.
import { sendRefusal, sendText } from '../../http/server/reply.ts';
import { coordinatorPaths } from '../../protocol/endpoints.ts';
import { reversePath } from '../../protocol/reverse.ts';
import { snapshotsFeature } from '../../protocol/snapshot.ts';
import type { CoordinatorConfig } from '../config.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ReverseGate } from '../pools/reverse-gate.ts';
import type { Readiness } from '../readiness.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import { create } from './handlers/create.ts';
import { extend, list, types } from './handlers/list.ts';
import { drain, machineList, undrain } from './handlers/machines.ts';
import { snapshotRoutes } from './handlers/snapshots.ts';
import type { CoordinatorHandler, CoordinatorRoute } from './server.ts';

/** The texts of a Go coordinator. */
const GET = { methods: ['GET'], wrongMethod: 'GET required' } as const;
const POST = { methods: ['POST'], wrongMethod: 'POST required' } as const;

interface RouteParts {
  readonly coordinator: Coordinator;
  readonly audit: Log;
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
  readonly config: CoordinatorConfig;
  readonly gate: ReverseGate;
  /** Absent: none are kept. */
  readonly snapshots?: Snapshots | undefined;
}

export function routesOf({
  coordinator,
  audit,
  metrics,
  readiness,
  config,
  gate,
  snapshots,
}: RouteParts): CoordinatorRoute[] {
  const ready: CoordinatorHandler = async ({ response }) => {
    const { failures, warnings } = await readiness();
    const reasons = [...failures, ...warnings].map(([what, text]) => `${what}: ${text}`).join('; ');
    const text = (state: string) => (reasons === '' ? state : `${state}: ${reasons}`);
    if (failures.size === 0) sendText(response, `${text('ready')}\n`);
    else sendRefusal(response, 503, text('not ready'));
  };
  const features = snapshots === undefined ? [] : [snapshotsFeature];
  return [
    { path: coordinatorPaths.create, ...POST, access: 'user', handle: create(coordinator) },
    { path: coordinatorPaths.list, ...GET, access: 'user', handle: list(coordinator) },
    {
      path: coordinatorPaths.types,
      ...GET,
      access: 'user',
      handle: types(coordinator, audit, features),
    },
    { path: coordinatorPaths.extend, ...POST, access: 'user', handle: extend(coordinator, audit) },
    ...machineRoutes(coordinator),
    ...snapshotRoutes(coordinator, snapshots),
    {
      path: coordinatorPaths.health,
      ...GET,
      access: 'anyone',
      handle: ({ response }) => sendText(response, 'ok\n'),
    },
    { path: coordinatorPaths.ready, ...GET, access: 'anyone', handle: ready },
    { path: reversePath, ...GET, access: 'anyone', handle: gate.handle },
    {
      path: coordinatorPaths.metrics,
      ...GET,
      access: config.openMetrics ? 'anyone' : 'monitor',
      handle: async ({ response }) => {
        const { body, contentType } = await metrics.text();
        sendText(response, body, contentType);
      },
    },
  ];
}

function machineRoutes({ machines }: Coordinator): CoordinatorRoute[] {
  const { machines: list, drain: drainPath, undrain: undrainPath } = coordinatorPaths;
  return [
    { path: list, ...GET, access: 'admin', handle: machineList(machines) },
    { path: drainPath, ...POST, access: 'admin', handle: drain(machines) },
    { path: undrainPath, ...POST, access: 'admin', handle: undrain(machines) },
  ];
}
