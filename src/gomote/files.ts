// The files of a buildlet, one at a time.
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { CallOptions } from '../client/client-options.ts';
import { disposableLoop } from '../disposable-loop.ts';
import { GomoteError, isGomoteError } from '../errors.ts';
import type { DirEntry } from '../protocol/listing.ts';
import { checkTexts } from './arguments.ts';
import { onPath } from './remote-path.ts';
import type { Run } from './run/run.ts';
import { defaultMode, sendFile } from './send-file.ts';
import { bytesOf, type Source } from './sources.ts';
import { changesOf, type FileChange, watchInterval } from './watch-files.ts';
import { checkInside, checkNamed } from './work-dir-path.ts';

interface FilesParts {
  readonly name: string;
  readonly client: BuildletClient;
  readonly call: <T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly run: (cmd: string, args: readonly string[], signal: AbortSignal) => Run;
}

/**
 * The files of a buildlet. Paths are relative to the work directory, and stay in it. `files` of a `Buildlet` is one.
 *
 * @example
 * await buildlet.files.write('config.json', JSON.stringify(config));
 * if (await buildlet.files.exists('build/log')) console.log(await buildlet.files.readText('build/log'));
 * await buildlet.files.mkdir('old');
 * await buildlet.files.rename('build/app', 'old/app');
 * for (const entry of await buildlet.files.list('old', { digest: true })) console.log(String(entry));
 * const bytes = await buildlet.files.read('old/app');
 * await buildlet.files.remove(['old', 'build']);
 */
export class BuildletFiles {
  readonly #parts: FilesParts;

  /** @internal */
  constructor(parts: FilesParts) {
    this.#parts = parts;
  }

  /** Reads a file. Throws ERR_NO_SUCH_FILE when it does not exist. */
  async read(path: string, options: CallOptions = {}): Promise<Buffer> {
    checkNamed('the file', path);
    const { name, client, call } = this.#parts;
    const { buffer } = await import('node:stream/consumers');
    return await call(options, (signal) =>
      onPath(name, path, async () => buffer((await client.files.get(path, { signal })).body)),
    );
  }

  /** Reads a file as text. Throws ERR_NO_SUCH_FILE when it does not exist. */
  async readText(path: string, options: CallOptions = {}): Promise<string> {
    return (await this.read(path, options)).toString();
  }

  /** Writes a file atomically; parent directories are created. */
  async write(
    path: string,
    source: Source,
    options: CallOptions & {
      /** Permission bits. Default 0o644. */
      mode?: number | undefined;
    } = {},
  ): Promise<void> {
    checkNamed('the file', path);
    const { mode = defaultMode } = options;
    const bytes = bytesOf(source);
    await this.#parts.call(options, (signal) =>
      sendFile(this.#parts, bytes, path, { mode, into: undefined, signal }),
    );
  }

  /** Lists a directory. Default: the work directory. Throws ERR_NO_SUCH_FILE when it does not exist. */
  async list(
    path = '',
    options: CallOptions & {
      /** Whether to list subdirectories. Default false. */
      recursive?: boolean | undefined;
      /** Whether to include the digests of files. Default false. */
      digest?: boolean | undefined;
    } = {},
  ): Promise<DirEntry[]> {
    checkInside('the directory', path);
    const { name, client, call } = this.#parts;
    const { recursive, digest } = options;
    return await call(options, (signal) =>
      onPath(name, path, async () => {
        const entries: DirEntry[] = [];
        for await (const entry of client.listDir(path, { recursive, digest, signal }))
          entries.push(entry);
        return entries;
      }),
    );
  }

  /**
   * The changes of a directory and what is below it, until the signal aborts (ERR_ABORTED) or the loop ends. What is there
   * at the beginning comes first, as added. The directory is listed again and again, with the digests of its files; what
   * changes and changes back in between is not seen. One that does not exist is empty. Default: the work directory.
   *
   * @example
   * for await (const { kind, path } of buildlet.files.watch('out', { signal })) console.log(kind, path);
   */
  watch(
    path = '',
    options: CallOptions & {
      /** The delay between two listings, in ms. Default 1000. */
      intervalMs?: number | undefined;
    } = {},
  ): AsyncGenerator<FileChange, void> {
    return disposableLoop(this.#watch(path, options));
  }

  async *#watch(path: string, options: CallOptions & { intervalMs?: number | undefined }) {
    checkInside('the directory', path);
    const intervalMs = watchInterval(options.intervalMs);
    const { signal } = options;
    const list = async () => {
      try {
        return await this.list(path, { recursive: true, digest: true, signal });
      } catch (error) {
        if (error instanceof GomoteError && isAbsence(error)) return [];
        throw error;
      }
    };
    const pause = async () =>
      await this.#parts.call(options, (ended) => sleep(intervalMs, undefined, { signal: ended }));
    yield* changesOf(list, pause);
  }

  /** Whether the path exists, including dangling links. */
  async exists(path: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.#entry(path, options)) !== undefined;
  }

  /** The entry of a path; undefined when nothing is there. */
  async #entry(
    path: string,
    options: CallOptions,
  ): Promise<Pick<DirEntry, 'isDirectory'> | undefined> {
    checkInside('the path', path);
    const parts = posix
      .normalize(path)
      .split('/')
      .filter((part) => part !== '.' && part !== '');
    const last = parts.pop();
    if (last === undefined) return { isDirectory: true };
    try {
      return (await this.list(parts.join('/'), options)).find(({ name }) => name === last);
    } catch (error) {
      if (error instanceof GomoteError && isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Creates a directory and its parents. It may already exist. */
  async mkdir(path: string, options: CallOptions = {}): Promise<void> {
    checkInside('the directory', path);
    await this.#command('mkdir', ['-p', '--', `./${path}`], options);
  }

  /**
   * Renames a file or directory; an existing file is replaced. Throws ERR_NO_SUCH_FILE when `from` does not exist, and
   * ERR_STATUS when `to` is a directory.
   */
  async rename(from: string, to: string, options: CallOptions = {}): Promise<void> {
    checkNamed('the path', from);
    checkNamed('the path', to);
    const { name } = this.#parts;
    // mv moves into a directory.
    if ((await this.#entry(to, options))?.isDirectory)
      throw new GomoteError('ERR_STATUS', `${name}: is a directory: ${to}`);
    try {
      await this.#command('mv', ['-f', '--', `./${from}`, `./${to}`], options);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_STATUS') || (await this.exists(from, options))) throw error;
      const message = `${name}: no such file or directory: ${from}`;
      throw new GomoteError('ERR_NO_SUCH_FILE', message, { cause: error });
    }
  }

  /** Removes files and directories. Missing ones are ignored. */
  async remove(paths: string | readonly string[], options: CallOptions = {}): Promise<void> {
    const all = typeof paths === 'string' ? [paths] : paths;
    checkTexts('paths', all);
    for (const path of all) checkNamed('the path', path);
    const { client, call } = this.#parts;
    await call(options, (signal) => client.removeAll(all, { signal }));
  }

  /** The protocol has no requests for these: they use commands of the machine. */
  async #command(cmd: string, args: readonly string[], options: CallOptions): Promise<void> {
    const { name, call, run } = this.#parts;
    const { ok, stdout, stderr } = await call(options, async (signal) => run(cmd, args, signal));
    if (ok) return;
    const said = (stderr || stdout).trim().split('\n')[0];
    throw new GomoteError('ERR_STATUS', `${name}: ${said || `${cmd} failed`}`);
  }
}

const isAbsence = (error: GomoteError): boolean =>
  error.code === 'ERR_NO_SUCH_FILE' || /No such file|not a directory/i.test(error.message);
