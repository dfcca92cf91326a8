// All that the first page shows, for one viewer.
import { printable } from '../../printable.ts';
import type { MachineRecord } from '../../protocol/coordinator.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Readiness } from '../readiness.ts';
import type { User } from '../state/user-records.ts';
import type { PageState } from './feed.ts';
import type { PoolLoads } from './pool-loads.ts';
import { problemsOf } from './problems.ts';

interface OverviewParts {
  readonly coordinator: Coordinator;
  readonly readiness: () => Promise<Readiness>;
  readonly loads: PoolLoads;
  readonly graceMs: number;
}

/** How many machines of a pool are shown. */
const machineLimit = 1_000;

export async function overviewOf(
  { coordinator, readiness, loads, graceMs }: OverviewParts,
  user: User,
): Promise<PageState> {
  const ready = await readiness();
  const view = coordinator.views.of(user);
  const all = coordinator.machines.list();
  const pools = view.pools.map(({ down: _, outOfService: __, ...pool }) => {
    const machines = all.filter((one) => one.pool === pool.name);
    const shown = machines.slice(0, machineLimit).map((one) => machineView(one, user));
    const isOnly = view.pools.filter(({ hostType }) => hostType === pool.hostType).length === 1;
    const title = isOnly ? pool.hostType : `${pool.hostType}: ${pool.name}`;
    return { ...pool, title, machines: shown };
  });
  return {
    user,
    rows: view.sessions,
    parts: {
      problems: problemsOf({ user, view, readiness: ready, machines: all, graceMs }),
      pools,
      queue: view.queue,
      loads: loads.view,
    },
  };
}

/** Whose machine it is, and why it is not lent, is for admins; machines made for somebody are known to them alone. */
function machineView(one: MachineRecord, user: User) {
  const { state, kind, machine, since, reason, drained, buildlet, owner } = one;
  const isOwn = owner === user.name;
  const isLasting = kind === 'static' || kind === 'reverse';
  return {
    state,
    isDrained: drained !== undefined,
    labels: one.labels,
    ...((user.isAdmin || isOwn || isLasting) && { machine: printable(machine) }),
    ...(since !== undefined && { sinceMs: since.getTime() }),
    ...((user.isAdmin || isOwn) && { buildlet, owner }),
    ...(user.isAdmin && { reason, note: drained?.note, canDrain: isLasting }),
  };
}
