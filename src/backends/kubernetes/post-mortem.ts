// Finds out why the buildlet of a pod does not answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Cluster } from './cluster.ts';
import { stateOf } from './pod-state.ts';

/** How long the cluster may take to say, in ms. */
const askTimeoutMs = 3_000;

/** The kubelet tells the cluster of a death a moment after the connection broke, in ms. */
const tellTimeMs = 3_000;

/** Why the pod ended, or that it is gone; undefined while it runs, or when the cluster does not say. */
export type PodOutcome = { readonly ended: string } | 'gone' | undefined;

/** As the cluster sees the pod of that name and uid now; does not reject. */
export async function podOutcome(
  cluster: Cluster,
  name: string,
  uid?: string,
): Promise<PodOutcome> {
  const call = { signal: timeoutSignal(askTimeoutMs), patienceMs: 0 };
  try {
    const pod = await cluster.readPod(name, call);
    if (pod === undefined || (uid !== undefined && pod.metadata?.uid !== uid)) return 'gone';
    const state = stateOf(pod);
    return state.kind === 'ended' ? { ended: `${state.reason}: ${state.message}` } : undefined;
  } catch {
    return undefined;
  }
}

/** As `podOutcome`, given a moment in which a death becomes known. */
export async function podOutcomeSoon(cluster: Cluster, name: string): Promise<PodOutcome> {
  const deadline = Date.now() + tellTimeMs;
  for (;;) {
    const outcome = await podOutcome(cluster, name);
    if (outcome !== undefined || Date.now() > deadline) return outcome;
    await sleep(200);
  }
}
