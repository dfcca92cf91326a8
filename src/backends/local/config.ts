// The table of processes on this machine: [backends.NAME] with kind "local".
import * as v from 'valibot';

export interface LocalConfig {
  readonly kind: 'local';
  /** Whether commands get all of the environment in which their buildlet was created. */
  readonly inheritEnv?: boolean | undefined;
}

/** The backend that needs no configuration. */
export const localBackend = { kind: 'local', name: 'local' } as const;

export const localSection = v.pipe(
  v.strictObject({ kind: v.literal('local'), 'inherit-env': v.optional(v.boolean()) }),
  v.transform(({ kind, ...file }): LocalConfig => ({ kind, inheritEnv: file['inherit-env'] })),
);
