// Containers without any configuration: `gomote create docker:IMAGE`.
import type { BuilderType, HostType } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';

/** The backend of that name where the configuration has none. */
export const dockerBackend = {
  kind: 'docker',
  name: 'docker',
  defaults: {},
  payloads: {},
  idleTimeoutMs: 30 * 60_000,
  maxLifetimeMs: 24 * 3_600_000,
} as const;

const prefix = 'docker:';

/** The types for `docker:IMAGE`; undefined for any other text. */
export function adHocTypes(type: string): { builder: BuilderType; host: HostType } | undefined {
  if (!type.startsWith(prefix)) return undefined;
  const image = type.slice(prefix.length);
  if (image === '') {
    throw new GomoteError('ERR_USAGE', 'docker: names no image', {
      hint: 'give docker:IMAGE, such as docker:debian:12',
    });
  }
  const [repository = ''] = image.replace(/@.*$/, '').split('/').slice(-1);
  const [plain = ''] = repository.split(':');
  // No configured type has this suffix, so that its environment is not used for this one.
  const name = `docker_${plain.replaceAll(/[^A-Za-z0-9.-]/g, '-') || 'image'}`;
  return {
    builder: { name, hostType: type, env: [] },
    host: { name: type, docker: { image } },
  };
}
