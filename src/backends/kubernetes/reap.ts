// Removes what buildlets leave on the cluster: ended and overdue pods, Secrets without their pod.
import type { V1Pod } from '@kubernetes/client-node';
import type { Cluster } from './cluster.ts';
import { removePod } from './launch.ts';
import { buildletSelector, deleteAtMs } from './pod.ts';
import { stateOf } from './pod-state.ts';

export interface ReapOptions {
  /** The owner; absent: everybody. */
  readonly owner: string | undefined;
  readonly signal: AbortSignal;
}

/** Returns a line for each thing removed. */
export async function reap(cluster: Cluster, options: ReapOptions): Promise<string[]> {
  const { owner, signal } = options;
  const selector = buildletSelector(owner);
  // List Secrets first: a Secret whose pod is missing in the later list has lost it.
  const secrets = await cluster.listSecrets(selector, { signal });
  const { pods } = await cluster.listPods(selector, { signal });
  const living = new Set(pods.map(({ metadata }) => metadata?.uid));
  const orphans = secrets.filter(
    ({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => living.has(uid)) !== true,
  );
  const removed = await Promise.all([
    ...pods.map(async (pod) => {
      const why = whyUnusable(pod);
      if (why === undefined) return undefined;
      await removePod(cluster, pod);
      return `pod ${pod.metadata?.name}: ${why}`;
    }),
    ...orphans.map(async ({ metadata }) => {
      await cluster.deleteSecret(metadata?.name ?? '', { signal });
      return `secret ${metadata?.name}: its pod is gone`;
    }),
  ]);
  return removed.filter((line) => line !== undefined).sort();
}

/** Why the pod can be removed; undefined while it is in use or already being deleted. */
function whyUnusable(pod: V1Pod): string | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined) return undefined;
  const state = stateOf(pod);
  if (state.kind === 'ended') return `ended (${state.reason})`;
  return Date.now() > deleteAtMs(pod.metadata?.annotations) ? 'past its time' : undefined;
}
