// Single files of a buildlet.
import { type RequestBody, readText } from '../../http/client/request.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { formatWriteMode } from '../../protocol/file-mode.ts';
import { withQuery } from '../../protocol/form.ts';
import { readWarnings, warningsHeader } from '../../protocol/transfer.ts';
import type { CallOptions } from '../client-options.ts';
import type { Connection } from '../connection.ts';
import { withSource, withStream } from '../given-streams.ts';
import type { PutFileOptions, RemoteFile, TransferOptions, TransferSummary } from './transfers.ts';

/** Writes a file by the base protocol alone. */
export async function writeFile(
  connection: Connection,
  source: RequestBody,
  path: string,
  { mode, ...options }: { mode: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const signalOf = () => connection.signalWith(options.signal);
  await withSource(source, signalOf, async (body, signal) => {
    const target = withQuery(endpoints.write.path, { path, mode: formatWriteMode(mode) });
    await connection.callText({ method: 'PUT', path: target, body, signal });
  });
}

/** Extracts an archive into a directory there. */
export async function putTar(
  connection: Connection,
  source: RequestBody,
  dir: string,
  options: TransferOptions,
): Promise<TransferSummary> {
  const signalOf = () => connection.signalWith(options.signal);
  return await withSource(source, signalOf, async (body, signal) =>
    (await import('./transfers.ts')).putTar(connection, body, dir, { ...options, signal }),
  );
}

/** Extracts an archive that the buildlet fetches. */
export async function putTarFromURL(
  connection: Connection,
  url: string,
  dir: string,
  options: CallOptions,
): Promise<void> {
  const path = withQuery(endpoints.putTar.path, { dir });
  await connection.callText({ method: 'POST', path, form: { url }, ...options });
}

/** The result of `removeAll`. */
export interface Removal {
  /** The paths that did not exist; empty if the buildlet does not report them. */
  readonly warnings: readonly string[];
}

/** Removes files and directories. */
export async function removeAll(
  connection: Connection,
  paths: readonly string[],
  options: CallOptions,
): Promise<Removal> {
  if (paths.length === 0) return { warnings: [] };
  const signal = connection.signalWith(options.signal);
  const response = await connection.call({
    ...{ method: 'POST', path: endpoints.removeAll.path, signal },
    headers: { [warningsHeader]: '1' },
    form: { path: paths },
  });
  await readText(response, signal);
  return { warnings: readWarnings(response.headers) };
}

/**
 * Single files, with checksums. `files` of a `BuildletClient` is one.
 *
 * @example
 * await client.files.put(createReadStream('tool'), 'bin/tool', { mode: 0o755 });
 * const { body } = await client.files.get('out/app');
 * await pipeline(body, createWriteStream('app'));
 */
export class Files {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Begins to read a file, its path relative to the work directory. Resumes after a cut, if the buildlet supports
   * `/file`.
   */
  async get(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<RemoteFile> {
    return await (await this.#transfer()).get(path, options);
  }

  /**
   * Writes a file, which gets its final name only when it is complete and verified; parent directories are created.
   *
   * @param source Claimed synchronously; a stream is destroyed unless all of it is sent.
   * @throws GomoteError ERR_LOCAL_FILE when the source fails, ERR_USAGE when it or the mode is none.
   */
  async put(
    source: AsyncIterable<Uint8Array>,
    path: string,
    options: PutFileOptions,
  ): Promise<TransferSummary> {
    const signalOf = () => this.#connection.signalWith(options.signal);
    return await withStream(source, signalOf, async (stream, signal) =>
      (await this.#transfer()).put(stream, path, { ...options, signal }),
    );
  }

  async #transfer() {
    const { FileTransfer } = await import('./file-transfer.ts');
    return new FileTransfer(this.#connection);
  }
}
