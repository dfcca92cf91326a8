// How buildlets are reached, kept in files, so that a command on one need not ask the host.
//
// What a file says is checked by the buildlet's own answer; the host has it all.
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../../files/cache-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';

export interface SshConnection {
  readonly name: string;
  /** As in the configuration. */
  readonly host: string;
  /** The path of the buildlet's socket there. */
  readonly socket: string;
  readonly password: string;
  /** The socket here that ssh forwards. Absent, where that is not allowed: a process on the host passes everything. */
  readonly forwarded?: string | undefined;
  /** The socket of the connection to the host: while it is there, so is the connection, most likely. */
  readonly master: string;
  readonly owner?: string | undefined;
}

/** Buildlets that end by themselves are never forgotten by name. */
const keptMs = 2 * 24 * 3_600_000;

export class Connections {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #backend: string;

  constructor(backend: string, environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
    this.#backend = backend;
  }

  read(name: string): SshConnection | undefined {
    const path = this.#path(name);
    if (path === undefined) return undefined;
    try {
      const read: Partial<SshConnection> | null = JSON.parse(readOwnFile(path));
      const texts = [read?.host, read?.socket, read?.password, read?.master];
      const rest = [read?.forwarded, read?.owner];
      const isWhole =
        read?.name === name &&
        texts.every((text) => typeof text === 'string') &&
        rest.every((text) => typeof text === 'string' || text === undefined);
      return isWhole ? (read as SshConnection) : undefined;
    } catch {
      return undefined;
    }
  }

  /** A file that cannot be written is no failure: the host is asked the next time. */
  write(connection: SshConnection): void {
    const path = this.#path(connection.name);
    if (path === undefined) return;
    const partial = `${path}.${process.pid}`;
    try {
      writeFileSync(partial, JSON.stringify(connection), { mode: 0o600, flag: 'wx' });
      renameSync(partial, path);
      this.#removeOld();
    } catch {
      rmSync(partial, { force: true });
    }
  }

  forget(name: string): void {
    const path = this.#path(name);
    if (path !== undefined) rmSync(path, { force: true });
  }

  /** Of this backend. */
  all(): SshConnection[] {
    return namesIn(this.#environment)
      .filter(({ backend }) => backend === this.#backend)
      .flatMap(({ name }) => this.read(name) ?? []);
  }

  #removeOld(): void {
    const directory = directoryIn(this.#environment);
    if (directory === undefined) return;
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const found = statSync(path, { throwIfNoEntry: false });
      if (found?.isFile() && Date.now() - found.mtimeMs > keptMs) rmSync(path, { force: true });
    }
  }

  /** Undefined where there is no safe place for it. */
  #path(name: string): string | undefined {
    const directory = directoryIn(this.#environment);
    return directory && join(directory, encodeURIComponent(`${this.#backend}/${name}`));
  }
}

/** The backends of which connections are kept. */
export const backendsWithConnections = (environment: NodeJS.ProcessEnv): string[] => [
  ...new Set(namesIn(environment).map(({ backend }) => backend)),
];

function namesIn(environment: NodeJS.ProcessEnv): { backend: string; name: string }[] {
  const directory = directoryIn(environment);
  if (directory === undefined) return [];
  return readdirSync(directory).flatMap((file) => {
    const [, backend, name] = /^(.+)\/([\w.-]+)$/.exec(decoded(file)) ?? [];
    return backend === undefined || name === undefined ? [] : [{ backend, name }];
  });
}

const directoryIn = (environment: NodeJS.ProcessEnv): string | undefined =>
  cacheDirectory(environment, 'ssh-buildlets');

function decoded(file: string): string {
  try {
    return decodeURIComponent(file);
  } catch {
    return '';
  }
}
