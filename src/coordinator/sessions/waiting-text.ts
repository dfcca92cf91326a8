// What a waiting create reports: who has the machines, and how long it may take.
import { formatDuration } from '../../duration.ts';
import type { MachineQueue } from '../pools/machine-queue.ts';
import type { Session } from './session.ts';

/** How many owners are named. */
const ownerLimit = 5;

/** To be added to the step of a create of that owner's. Empty for one that does not wait for its turn. */
export function waitingText(
  { hostType, allocators, waiting }: MachineQueue,
  owner: string,
  sessions: readonly Session[],
): string {
  if (!waiting.some((one) => one.owner === owner)) return '';
  const held = sessions.filter((one) => one.hostType === hostType && one.machine !== undefined);
  const total = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0);
  const kept = total(allocators.map((one) => one.kept.length));
  const unavailable = total(allocators.map(({ pool }) => pool.unavailable?.all.length ?? 0));
  const capacity = total(allocators.map(({ pool }) => pool.capacity));
  const parts = [
    `${held.length} of ${capacity + unavailable} machines of ${hostType} in use${ownersText(held)}`,
    ...(kept > 0 ? [`${kept} kept for sessions whose files cannot be read: tell an admin`] : []),
    ...(unavailable > 0 ? [`${unavailable} cannot be lent at the moment`] : []),
    ...expiryText(held),
  ];
  return `; ${parts.join('; ')}`;
}

function ownersText(held: readonly Session[]): string {
  const counts = new Map<string, number>();
  for (const { owner } of held) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const owners = [...counts].sort(([, a], [, b]) => b - a);
  const named = owners.slice(0, ownerLimit).map(([owner, count]) => `${owner} ${count}`);
  const more = owners.length > ownerLimit ? [`${owners.length - ownerLimit} others`] : [];
  return owners.length === 0 ? '' : ` (${[...named, ...more].join(', ')})`;
}

/** Only an estimate: use prolongs a session. */
function expiryText(held: readonly Session[]): string[] {
  const running = held.filter(({ state }) => state === 'running');
  if (running.length === 0) return [];
  const nextMs = Math.min(...running.map(({ expiresMs }) => expiresMs)) - Date.now();
  return [`the next one is free in ${formatDuration(Math.max(0, nextMs))} if nobody uses it`];
}
