// Interprets a pod's status: starting, running, or ended and why.
import type { V1Pod } from '@kubernetes/client-node';
import { containerName } from './pod.ts';

export type PodState =
  | { readonly kind: 'pending' }
  /** No node has room for it; one may be added. */
  | { readonly kind: 'unschedulable'; readonly reason: string; readonly message: string }
  | { readonly kind: 'running'; readonly ip: string }
  /** It does not run a buildlet and never will. */
  | { readonly kind: 'ended'; readonly reason: string; readonly message: string };

/** The reasons of a waiting container that make further waiting useless. */
const hopeless = new Set([
  'CrashLoopBackOff',
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImageInspectError',
  'ImagePullBackOff',
  'InvalidImageName',
  'RunContainerError',
  'StartError',
]);

export function stateOf(pod: V1Pod): PodState {
  const { metadata, status } = pod;
  if (metadata?.deletionTimestamp !== undefined) return ended('Deleted', 'it is being deleted');
  const state = status?.containerStatuses?.find(({ name }) => name === containerName)?.state;
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') {
    const { reason, message, exitCode } = state?.terminated ?? {};
    const how = exitCode === undefined ? '' : `exit status ${exitCode}`;
    return ended(status.reason ?? reason ?? status.phase, status.message ?? message ?? how);
  }
  if (state?.terminated !== undefined) {
    const { reason = 'Terminated', message, exitCode } = state.terminated;
    return ended(reason, message ?? `exit status ${exitCode}`);
  }
  const { reason, message = '' } = state?.waiting ?? {};
  // The Secret is created right after the pod: the kubelet may look too early, and retries.
  const isEarly = /secret ".*" not found|failed to sync secret cache/.test(message);
  if (reason !== undefined && hopeless.has(reason) && !isEarly) return ended(reason, message);
  if (state?.running !== undefined && status?.podIP) return { kind: 'running', ip: status.podIP };
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { kind: 'unschedulable', reason: scheduled.reason, message: scheduled.message ?? '' };
  }
  return { kind: 'pending' };
}

const ended = (reason: string, message: string): PodState => ({ kind: 'ended', reason, message });

/** What a list says of a pod that runs no buildlet; undefined: it runs one. */
export function whyUnusable(pod: V1Pod): string | undefined {
  const state = stateOf(pod);
  if (state.kind === 'running') return undefined;
  return state.kind === 'ended' ? `ended: ${state.reason}` : 'starting';
}
