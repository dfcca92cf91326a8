// How to reach buildlets in pods.
import { hash } from 'node:crypto';
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { ConnectionFiles } from '../connection-files.ts';
import { annotations, defaultPort, type PodSecrets } from './pod.ts';

export interface PodConnection {
  readonly name: string;
  /** The pod's unique id. */
  readonly uid: string;
  readonly ip: string;
  readonly port: number;
  readonly password: string;
  /** Absent: plain HTTP. */
  readonly certPem?: string | undefined;
  /** When its use was last recorded on the cluster. */
  readonly renewedAtMs: number;
}

/** How to reach the running pod. */
export const connectionOf = (pod: V1Pod, ip: string, secrets: PodSecrets): PodConnection => ({
  name: pod.metadata?.name ?? '',
  uid: pod.metadata?.uid ?? '',
  ip,
  port: Number(pod.metadata?.annotations?.[annotations.port] ?? defaultPort),
  password: secrets.password,
  certPem: secrets['tls-cert'],
  renewedAtMs: 0,
});

interface ConnectionScope {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  readonly user?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

export class Connections extends ConnectionFiles<PodConnection> {
  constructor(scope: ConnectionScope) {
    const key = keyOf(scope);
    super({
      environment: scope.environment,
      directory: 'kubernetes',
      fileOf: (name) => `${key}-${encodeURIComponent(name)}.json`,
      fields: {
        ...{ name: ['string'], uid: ['string'], ip: ['string'], password: ['string'] },
        ...{ certPem: ['string', 'undefined'], port: ['number'], renewedAtMs: ['number'] },
      },
      // Using a pod rewrites its file, at most once a minute.
      keptMs: 7 * 24 * 3_600_000,
    });
  }
}

/** Any change of the kubeconfig files, such as another current context, changes the keys. */
function keyOf({ environment, kubeconfig, context, namespace, user }: ConnectionScope): string {
  const { HOME, KUBECONFIG } = environment;
  const paths = kubeconfig ?? KUBECONFIG ?? join(HOME || homedir(), '.kube', 'config');
  const files = paths.split(delimiter);
  const parts = [...files, ...files.map(changedAtMs), context, namespace, user];
  return hash('sha256', JSON.stringify(parts)).slice(0, 16);
}

function changedAtMs(file: string): number {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}
