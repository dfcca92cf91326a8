// The one switch from a backend's kind to its code, which loads only when it is opened.
import type { Backend, BackendSettings, RequestLog } from './backend.ts';

export async function openBackend(settings: BackendSettings, log?: RequestLog): Promise<Backend> {
  switch (settings.kind) {
    case 'local':
      return new (await import('./local/backend.ts')).LocalBackend(settings, log);
    case 'coordinator':
      return new (await import('./coordinator/backend.ts')).CoordinatorBackend(settings, log);
    case 'gce':
      return new (await import('./gce/backend.ts')).GceBackend(settings, log);
    case 'kubernetes':
      return new (await import('./kubernetes/backend.ts')).KubernetesBackend(settings, log);
  }
}
