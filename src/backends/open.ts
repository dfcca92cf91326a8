// The one switch from a kind of backend to its code, which loads only when a backend is opened.
import type { AnyBackend, RequestLog } from './backend.ts';
import type { CoordinatorSettings } from './coordinator/backend.ts';
import type { DockerSettings } from './docker/backend.ts';
import type { GceSettings } from './gce/backend.ts';
import type { KubernetesSettings } from './kubernetes/backend.ts';
import type { LocalSettings } from './local/backend.ts';
import type { SshSettings } from './ssh/backend.ts';

/** The backend that needs no configuration. */
export const localBackend = { kind: 'local', name: 'local' } as const;

type BackendSettings =
  | LocalSettings
  | CoordinatorSettings
  | KubernetesSettings
  | GceSettings
  | SshSettings
  | DockerSettings;

export async function openBackend(
  settings: BackendSettings,
  log?: RequestLog,
): Promise<AnyBackend> {
  switch (settings.kind) {
    case 'local':
      return new (await import('./local/backend.ts')).LocalBackend(settings, log);
    case 'coordinator':
      return new (await import('./coordinator/backend.ts')).CoordinatorBackend(settings, log);
    case 'gce':
      return new (await import('./gce/backend.ts')).GceBackend(settings, log);
    case 'docker':
      return new (await import('./docker/backend.ts')).DockerBackend(settings, log);
    case 'kubernetes':
      return new (await import('./kubernetes/backend.ts')).KubernetesBackend(settings, log);
    case 'ssh':
      return new (await import('./ssh/backend.ts')).SshBackend(settings, log);
  }
}
