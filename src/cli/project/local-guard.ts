// Keeps what a project's file says from running on this machine: it may have come with somebody else's repository.
import type { BackendConfig } from '../../backends/config.ts';
import { GomoteError } from '../../errors.ts';

export interface Guard {
  /** What would run there, as messages name it: `job "test" of /home/me/x/.gomote.toml`. */
  readonly what: string;
}

/** Throws ERR_CONFIG for a backend that runs commands on this machine, or on one that only the file names. */
export function checkPlace(
  { what }: Guard,
  backend: {
    readonly name: string;
    readonly config: BackendConfig | undefined;
    readonly isConfigured: boolean;
  },
): void {
  const { name, config, isConfigured } = backend;
  const isHere = config === undefined || config.kind === 'local' || config.kind === 'docker';
  if (!isHere && isConfigured) return;
  const where = isHere ? 'on this machine' : `on ${name}, which your configuration does not have`;
  throw new GomoteError('ERR_CONFIG', `${what} would run ${where}`, {
    hint: `if you trust it: --backend ${name}`,
  });
}
