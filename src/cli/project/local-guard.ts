// Prevents a project file from running commands on this machine: it may come from somebody else's repository.
import type { AnyBackend } from '../../backends/backend.ts';
import type { BackendConfig } from '../../backends/config.ts';
import { GomoteError } from '../../errors.ts';
import type { Backends } from '../../gomote/backends.ts';

export interface Guard {
  /** The name of what would run, for messages: `job "test" of /home/me/x/.gomote.toml`. */
  readonly what: string;
}

/** Where the buildlets of a backend run. */
interface BackendPlace {
  readonly name: string;
  readonly config: BackendConfig | undefined;
  readonly isConfigured: boolean;
}

export async function placeOf(
  { name }: Pick<AnyBackend, 'name'>,
  backends: Backends,
): Promise<BackendPlace> {
  const config = await backends.configOf(name);
  return { name, config, isConfigured: (await backends.config()).backends.has(name) };
}

/** Throws ERR_CONFIG for a backend that runs commands on this machine, or on a machine that only the file names. */
export function checkPlace({ what }: Guard, { name, config, isConfigured }: BackendPlace): void {
  const isHere = config === undefined || config.kind === 'local' || config.kind === 'docker';
  if (!isHere && isConfigured) return;
  const where = isHere ? 'on this machine' : `on ${name}, which your configuration does not have`;
  throw new GomoteError('ERR_CONFIG', `${what} would run ${where}`, {
    hint: `if you trust it: --backend ${name}`,
  });
}
