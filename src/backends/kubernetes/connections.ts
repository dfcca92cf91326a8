// How the buildlet on a pod is reached: kept in a file, so that a command on it need not ask the cluster.
//
// What the file says is checked by the buildlet's own answer; the cluster has it all.
import { createHash } from 'node:crypto';
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { cacheDirectory } from '../../files/cache-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { annotations, defaultPort, type PodSecrets } from './pod.ts';

export interface PodConnection {
  readonly name: string;
  /** The pod's, which no other pod ever has. */
  readonly uid: string;
  readonly ip: string;
  readonly port: number;
  readonly password: string;
  /** Absent: plain HTTP. */
  readonly certPem?: string | undefined;
  /** When its use was last written to the cluster. */
  readonly renewedMs: number;
}

/** How the running pod is reached. */
export const connectionOf = (pod: V1Pod, ip: string, secrets: PodSecrets): PodConnection => ({
  name: pod.metadata?.name ?? '',
  uid: pod.metadata?.uid ?? '',
  ip,
  port: Number(pod.metadata?.annotations?.[annotations.port] ?? defaultPort),
  password: secrets.password,
  certPem: secrets['tls-cert'],
  renewedMs: 0,
});

export interface ConnectionScope {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  readonly user?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** A use of a pod writes its file again, at most once a minute. */
const unusedAfterMs = 7 * 24 * 3_600_000;

export class Connections {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #key: string;

  constructor(scope: ConnectionScope) {
    const { HOME, KUBECONFIG } = scope.environment;
    const home = HOME || homedir();
    this.#environment = scope.environment;
    const files = (scope.kubeconfig ?? KUBECONFIG ?? join(home, '.kube', 'config')).split(
      delimiter,
    );
    // Another current context, as any other change of the files, makes other keys.
    const parts = [...files, ...files.map(changed), scope.context, scope.namespace, scope.user];
    this.#key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  }

  read(name: string): PodConnection | undefined {
    const path = this.#path(name);
    if (path === undefined) return undefined;
    try {
      const read: Partial<PodConnection> | null = JSON.parse(readOwnFile(path));
      const texts = [read?.uid, read?.ip, read?.password];
      const numbers = [read?.port, read?.renewedMs];
      const isWhole =
        read?.name === name &&
        texts.every((text) => typeof text === 'string') &&
        numbers.every((number) => typeof number === 'number');
      return isWhole ? (read as PodConnection) : undefined;
    } catch {
      return undefined;
    }
  }

  /** A file that cannot be written is no failure: the cluster is asked the next time. */
  write(connection: PodConnection): void {
    const path = this.#path(connection.name);
    if (path === undefined) return;
    const partial = `${path}.${process.pid}`;
    try {
      writeFileSync(partial, JSON.stringify(connection), { mode: 0o600, flag: 'wx' });
      renameSync(partial, path);
      removeOld(dirname(path));
    } catch {
      remove(partial);
    }
  }

  forget(name: string): void {
    const path = this.#path(name);
    if (path !== undefined) remove(path);
  }

  /** Undefined where there is no safe place for it. */
  #path(name: string): string | undefined {
    const directory = cacheDirectory(this.#environment, 'kubernetes');
    return directory && join(directory, `${this.#key}-${encodeURIComponent(name)}.json`);
  }
}

/** Pods that end by themselves are never forgotten by name. */
function removeOld(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (Date.now() - changed(path) > unusedAfterMs) remove(path);
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It cannot be there, then.
  }
}

function changed(file: string): number {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}
