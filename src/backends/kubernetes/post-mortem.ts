// Finds out why the buildlet in a pod does not answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Cluster } from './cluster.ts';
import { stateOf } from './pod-state.ts';

/** The time limit for asking the cluster, in ms. */
const askTimeoutMs = 3_000;

/** How long after the connection broke the kubelet may take to report a death, in ms. */
const tellTimeMs = 3_000;

/** Why the pod ended, or that it is gone; undefined while it is running, or when the cluster does not tell. */
export type PodOutcome = { readonly ended: string } | 'gone' | undefined;

/** The current state of the pod of that name and uid; does not reject. */
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

/** Like `podOutcome`, after a delay in which a death is reported. */
export async function podOutcomeSoon(cluster: Cluster, name: string): Promise<PodOutcome> {
  const deadline = Date.now() + tellTimeMs;
  for (;;) {
    const outcome = await podOutcome(cluster, name);
    if (outcome !== undefined || Date.now() > deadline) return outcome;
    await sleep(200);
  }
}
