// How to reach buildlets on hosts.
import { readdirSync } from 'node:fs';
import { cacheDirectory } from '../../files/user-directories.ts';
import { ConnectionFiles } from '../connection-files.ts';

export interface SshConnection {
  readonly name: string;
  /** As in the configuration. */
  readonly host: string;
  /** The path of the buildlet's socket there. */
  readonly socket: string;
  readonly password: string;
  /** The local socket that ssh forwards. Absent where forwarding is not allowed: a process on the host copies the data. */
  readonly forwarded?: string | undefined;
  /** The control socket of the connection to the host: while it exists, the connection probably does too. */
  readonly master: string;
  readonly owner?: string | undefined;
}

/** The directory in the user's cache. */
const cacheName = 'ssh-buildlets';

export class Connections extends ConnectionFiles<SshConnection> {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #backend: string;

  constructor(backend: string, environment: NodeJS.ProcessEnv) {
    const optional = ['string', 'undefined'];
    super({
      environment,
      directory: cacheName,
      fileOf: (name) => encodeURIComponent(`${backend}/${name}`),
      fields: {
        ...{ name: ['string'], host: ['string'], socket: ['string'], password: ['string'] },
        ...{ master: ['string'], forwarded: optional, owner: optional },
      },
      keptMs: 2 * 24 * 3_600_000,
    });
    this.#environment = environment;
    this.#backend = backend;
  }

  /** Of this backend. */
  all(): SshConnection[] {
    return namesIn(this.#environment)
      .filter(({ backend }) => backend === this.#backend)
      .flatMap(({ name }) => this.read(name) ?? []);
  }
}

/** The backends with stored connections. */
export const backendsWithConnections = (environment: NodeJS.ProcessEnv): string[] => [
  ...new Set(namesIn(environment).map(({ backend }) => backend)),
];

function namesIn(environment: NodeJS.ProcessEnv): { backend: string; name: string }[] {
  const directory = cacheDirectory(environment, cacheName);
  if (directory === undefined) return [];
  return readdirSync(directory).flatMap((file) => {
    const [, backend, name] = /^(.+)\/([\w.-]+)$/.exec(decoded(file)) ?? [];
    return backend === undefined || name === undefined ? [] : [{ backend, name }];
  });
}

function decoded(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return '';
  }
}
