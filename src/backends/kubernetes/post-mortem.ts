// What became of a pod whose buildlet stopped answering.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { stateOf } from './pod-state.ts';

/** The kubelet tells the cluster of a death a moment after the connection broke; in ms. */
const tellTimeMs = 3_000;

export async function whatBecameOf(
  cluster: Cluster,
  name: string,
): Promise<'alive' | 'gone' | { readonly why: string }> {
  const deadline = Date.now() + tellTimeMs;
  const call = { signal: AbortSignal.timeout(2 * tellTimeMs), patienceMs: tellTimeMs };
  for (;;) {
    const pod = await cluster.readPod(name, call);
    if (pod === undefined) return 'gone';
    const state = stateOf(pod);
    if (state.kind === 'ended') return { why: `${state.reason}: ${state.message}` };
    if (Date.now() > deadline) return 'alive';
    await sleep(200);
  }
}
