// What tests do on a node of the cluster.
import type { V1Container, V1VolumeNodeAffinity } from '@kubernetes/client-node';
import { expect, vi } from 'vitest';
import { core, testImage } from './cluster.ts';

/** Where volumes are that are directories of the first node. */
export async function onlyNode(): Promise<V1VolumeNodeAffinity> {
  const [node] = (await core.listNode()).items;
  const hostname = node?.metadata?.labels?.['kubernetes.io/hostname'] ?? '';
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [hostname] };
  return { required: { nodeSelectorTerms: [{ matchExpressions: [expression] }] } };
}

/** Runs a script of Node as root in a pod that has the /tmp of its node at /node. */
export async function onNode(namespace: string, script: string): Promise<void> {
  const container: V1Container = {
    name: 'script',
    image: testImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '-e', script],
    securityContext: { runAsUser: 0 },
    volumeMounts: [{ name: 'node', mountPath: '/node' }],
  };
  const { metadata } = await core.createNamespacedPod({
    namespace,
    body: {
      metadata: { generateName: 'script-' },
      spec: {
        restartPolicy: 'Never',
        containers: [container],
        volumes: [{ name: 'node', hostPath: { path: '/tmp' } }],
      },
    },
  });
  const name = metadata?.name ?? '';
  await vi.waitFor(
    async () => {
      const { status } = await core.readNamespacedPod({ namespace, name });
      expect(status?.phase).toBe('Succeeded');
    },
    { timeout: 120_000 },
  );
  await core.deleteNamespacedPod({ namespace, name });
}
