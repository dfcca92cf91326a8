// How to reach buildlets, stored in files, so that commands need not ask the platform. A stored connection is verified by
// the buildlet's own answer; the platform has all the data.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readOwnFile } from '../files/private-file.ts';
import { removeOldFiles, replaceFile } from '../files/replace-file.ts';
import { cacheDirectory } from '../files/user-directories.ts';

interface Named {
  readonly name: string;
}

/** The types of a connection's fields, as `typeof` tells them. */
type FieldTypes<T> = { readonly [K in keyof T]-?: readonly string[] };

interface ConnectionFilesOptions<T extends Named> {
  readonly environment: NodeJS.ProcessEnv;
  /** The directory's name in the user's cache. */
  readonly directory: string;
  /** The name of a buildlet's file. */
  readonly fileOf: (name: string) => string;
  readonly fields: FieldTypes<T>;
  /** Files of buildlets that have ended by themselves are removed at this age. */
  readonly keptMs: number;
}

export class ConnectionFiles<T extends Named> {
  readonly #options: ConnectionFilesOptions<T>;

  constructor(options: ConnectionFilesOptions<T>) {
    this.#options = options;
  }

  /** Undefined where there is no safe directory. */
  get directory(): string | undefined {
    return cacheDirectory(this.#options.environment, this.#options.directory);
  }

  read(name: string): T | undefined {
    const path = this.#path(name);
    if (path === undefined) return undefined;
    try {
      const read: Partial<Record<string, unknown>> | null = JSON.parse(readOwnFile(path));
      const fields: [string, readonly string[]][] = Object.entries(this.#options.fields);
      const isWhole =
        read?.name === name && fields.every(([field, types]) => types.includes(typeof read[field]));
      return isWhole ? (read as unknown as T) : undefined;
    } catch {
      return undefined;
    }
  }

  /** A failure to write is ignored: the platform is asked the next time. */
  write(connection: T): void {
    const { directory } = this;
    if (directory === undefined) return;
    try {
      const path = join(directory, this.#options.fileOf(connection.name));
      replaceFile(path, JSON.stringify(connection));
      removeOldFiles(directory, this.#options.keptMs);
    } catch {
      // Then it is not stored.
    }
  }

  forget(name: string): void {
    try {
      const path = this.#path(name);
      if (path !== undefined) rmSync(path, { force: true });
    } catch {
      // Then it cannot exist.
    }
  }

  #path(name: string): string | undefined {
    const { directory } = this;
    return directory && join(directory, this.#options.fileOf(name));
  }
}
