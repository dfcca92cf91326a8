// The kinds of backends. A new kind is a folder, its schemas and its case in this file, and a test.
import type { InferOutput } from 'valibot';
import type { HostType } from '../builders.ts';
import type { AnyBackend, RequestLog } from './backend.ts';
import type { CoordinatorSettings } from './coordinator/backend.ts';
import { coordinatorSection } from './coordinator/config.ts';
import type { GceSettings } from './gce/backend.ts';
import { gceSection, gceTable } from './gce/config.ts';
import type { KubernetesSettings } from './kubernetes/backend.ts';
import { kubernetesSection, kubernetesTable } from './kubernetes/config.ts';
import type { LocalSettings } from './local/backend.ts';
import { localSection } from './local/config.ts';

/** The schema of a section [backends.NAME], by its kind. */
export const sections = {
  local: localSection,
  coordinator: coordinatorSection,
  kubernetes: kubernetesSection,
  gce: gceSection,
};

/** The schema of a table [hosts.NAME.KIND], for kinds that make machines only as host types describe them. */
export const hostTables = { kubernetes: kubernetesTable, gce: gceTable };

/** A backend of the configuration. */
export type BackendConfig = InferOutput<(typeof sections)[keyof typeof sections]> & {
  readonly name: string;
};

/** The backend that needs no configuration. */
export const localBackend: BackendConfig = { kind: 'local', name: 'local' };

export type BackendSettings =
  | LocalSettings
  | CoordinatorSettings
  | KubernetesSettings
  | GceSettings;

/** Opens a backend, whose code loads only then. */
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
    case 'kubernetes':
      return new (await import('./kubernetes/backend.ts')).KubernetesBackend(settings, log);
  }
}

/** Whether backends of the kind make machines of the host type. */
export function makesHost(kind: BackendConfig['kind'], host: HostType): boolean {
  return !isDescribed(kind) || host[kind] !== undefined;
}

const isDescribed = (kind: string): kind is keyof typeof hostTables => kind in hostTables;
