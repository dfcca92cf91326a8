// How single files are read on after a cut, and written with checksums.
import { setTimeout as sleep } from 'node:timers/promises';
import { compressed } from '../archive/compress.ts';
import { inPieces } from '../archive/pieces.ts';
import { Tally, tallied } from '../archive/tally.ts';
import { GomoteError, isGomoteError, StatusError } from '../errors.ts';
import type { HttpResponse } from '../http/request.ts';
import { endpoints } from '../protocol/endpoints.ts';
import { fileFeature } from '../protocol/features.ts';
import { type FileInfo, fileInfoHeader, parseFileInfo } from '../protocol/file-info.ts';
import { withQuery } from '../protocol/form.ts';
import type { Connection } from './connection.ts';
import { getFromTar } from './file-from-tar.ts';
import type { PutFileOptions, RemoteFile } from './files.ts';
import { hasFeature } from './status.ts';
import { chunksOf } from './streams.ts';
import { compare, promisedTrailer, type TransferSummary } from './transfers.ts';

/** After a cut, each try waits longer; one that brings something starts over. */
const retryDelaysMs = [100, 500, 1000, 2000, 4000];

export class FileTransfer {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Begins to read a file, its path relative to the work dir. */
  async get(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<RemoteFile> {
    const signal = this.#connection.signalWith(options.signal);
    const first = await this.#open(path, undefined, signal).catch((error: unknown) => {
      // A buildlet without the extension does not know the path of the request.
      if (error instanceof StatusError && error.status === 404) return undefined;
      throw error;
    });
    if (first === undefined) return await getFromTar(this.#connection, path, options);
    let summary = new Tally().summary();
    const whole = this.#whole(path, first, signal, (total) => {
      summary = total;
    });
    return { ...first.info, body: whole, summary: () => summary };
  }

  /** Writes a file; directories above it are made. */
  async put(
    source: AsyncIterable<Uint8Array>,
    path: string,
    options: PutFileOptions,
  ): Promise<TransferSummary> {
    const signal = this.#connection.signalWith(options.signal);
    const { mode, mtimeMs, compress = 'none' } = options;
    const tally = new Tally();
    const query = { path, mode: String(mode), mtime: mtimeMs?.toString() };
    const isKnown = await hasFeature(this.#connection, fileFeature, signal);
    const body = isKnown ? compressed(inPieces(source), compress, signal) : source;
    const response = await this.#connection.call({
      method: 'PUT',
      path: withQuery((isKnown ? endpoints.file : endpoints.write).path, query),
      body: tallied(body, tally),
      signal,
    });
    await response.body.dump();
    return compare(tally, response.headers['gomote-totals'], this.#connection);
  }

  async #open(path: string, from: Position | undefined, signal: AbortSignal): Promise<Opened> {
    const query = { path, start: from?.start.toString(), version: from?.version };
    const request = { method: 'GET', path: withQuery(endpoints.file.path, query), signal } as const;
    const response = await this.#connection.call(request);
    const header = String(response.headers[fileInfoHeader.toLowerCase()]);
    const info = parseFileInfo(header);
    if (info !== undefined) return { info, response };
    throw new GomoteError('ERR_REPLY', `${this.#connection.options.label}: no file: ${header}`);
  }

  /** The content, over as many connections as it takes. */
  async *#whole(
    path: string,
    first: Opened,
    signal: AbortSignal,
    onSummary: (summary: TransferSummary) => void,
  ): AsyncGenerator<Uint8Array> {
    const { version } = first.info;
    const tally = new Tally();
    let opened: Opened | undefined = first;
    for (let failures = 0; ; failures++) {
      const start = tally.wireBytes;
      try {
        opened ??= await this.#open(path, { start, version }, signal);
        yield* tallied(chunksOf(opened.response, signal), tally);
        break;
      } catch (error) {
        if (tally.wireBytes > start) failures = 0;
        const delayMs = retryDelaysMs[failures];
        if (delayMs === undefined || !isCut(error)) throw error;
        opened = undefined;
        await sleep(delayMs);
        signal.throwIfAborted();
      }
    }
    onSummary(compare(tally, promisedTrailer(opened.response), this.#connection));
  }
}

interface Opened {
  readonly info: FileInfo;
  readonly response: HttpResponse;
}

/** Where to read on, and in which version of the file. */
interface Position {
  readonly start: number;
  readonly version: string;
}

const isCut = (error: unknown): boolean =>
  isGomoteError(error, 'ERR_LOST') || isGomoteError(error, 'ERR_CONNECT');
