// `startPod` as the library exports it: all it needs loads when it is called.
import type { HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { untilAborted } from '../errors.ts';
import type { ClusterConfig } from './kubernetes/cluster-config.ts';
import type { StartPodOptions } from './kubernetes/start-pod.ts';

export type { StartPodOptions } from './kubernetes/start-pod.ts';

/**
 * Makes a pod with a buildlet and gives a client of it once it answers; `client.close()` ends the buildlet, and with
 * it the pod. When it fails or is cancelled, nothing is left behind.
 *
 * @param kubeConfig The cluster and who asks: a `KubeConfig` of @kubernetes/client-node.
 * @param podName The pod's name; one that is taken is ERR_NAME_TAKEN.
 * @param hostType A host type, or the name of one in the catalogue; ERR_UNKNOWN_TYPE when it has no image.
 * @throws PlatformError with Kubernetes' own reason: ERR_MACHINE for a pod that failed, could not pull its image or
 *   ended; ERR_NO_CAPACITY for one that no node has room for; ERR_QUOTA; ERR_UNAUTHORIZED; ERR_UNAVAILABLE.
 * @example
 * const kubeConfig = new KubeConfig();
 * kubeConfig.loadFromDefault();
 * const where = { projectId: 'builders', imageRegistry: 'registry.example.com' };
 * const client = await startPod(kubeConfig, 'build-1', 'host-linux', where);
 */
export async function startPod(
  kubeConfig: ClusterConfig,
  podName: string,
  hostType: string | HostType,
  options: StartPodOptions,
): Promise<BuildletClient> {
  const kubernetes = await import('./kubernetes/start-pod.ts');
  return await untilAborted(options.signal, () =>
    kubernetes.startPod(kubeConfig, podName, hostType, options),
  );
}
