// Creates the connection of a buildlet's client from an address, credentials and options.
import type { ServerAddress } from '../http/client/server-address.ts';
import { defaultAuthUser } from '../protocol/endpoints.ts';
import { hostPort, parseAddress } from './address.ts';
import type { BuildletClientOptions, PasswordCredentials } from './client-options.ts';
import { Connection } from './connection.ts';
import type { KeyPair } from './key-pair.ts';
import { timeLimitMs } from './time-limit.ts';

const defaultHeartbeatIntervalMs = 10_000;

/** Creates the connection; nothing is sent yet. Throws ERR_USAGE for an invalid argument. */
export function buildletConnection(
  given: string | ServerAddress,
  credentials: KeyPair | PasswordCredentials | undefined,
  options: BuildletClientOptions,
): Connection {
  const keyPair = credentials !== undefined && 'certPem' in credentials ? credentials : undefined;
  const secure = keyPair?.isZero() === false;
  const parsed = typeof given === 'string' ? parseAddress(given, secure) : given;
  const address =
    secure && parsed.kind === 'tcp' ? { ...parsed, pinnedCert: keyPair.certPem } : parsed;
  const password = credentials?.password;
  const { heartbeatIntervalMs = defaultHeartbeatIntervalMs } = options;
  return new Connection({
    ...options,
    address,
    label: options.name ?? hostPort(address),
    authUser: options.authUser ?? defaultAuthUser,
    password: (typeof password === 'function' ? keyPair?.password() : password) ?? '',
    remoteName: options.remoteName ?? '',
    heartbeatIntervalMs: timeLimitMs('heartbeatIntervalMs', heartbeatIntervalMs),
  });
}
