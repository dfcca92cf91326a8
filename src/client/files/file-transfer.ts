// Reads single files, resuming after a cut, and writes them with checksums.
import { GomoteError, isStatus } from '../../errors.ts';
import { type HttpRequest, type HttpResponse, readText } from '../../http/client/request.ts';
import { type Endpoint, endpoints } from '../../protocol/endpoints.ts';
import { fileFeature } from '../../protocol/features.ts';
import { type FileInfo, fileInfoHeader, parseFileInfo } from '../../protocol/file-info.ts';
import { formatWriteMode } from '../../protocol/file-mode.ts';
import { withQuery } from '../../protocol/form.ts';
import { formatTotals, totalsHeader } from '../../protocol/transfer.ts';
import { compressed } from '../../tar/compress.ts';
import { countBytes, TransferCounter } from '../../tar/transfer-counter.ts';
import { inPieces } from '../../tree/pieces.ts';
import type { Connection } from '../connection.ts';
import { namedReply, trailerOf } from '../late-trailer.ts';
import { Outage } from '../runs/outage.ts';
import { hasFeature } from '../status.ts';
import { headersLimitMs } from '../time-limit.ts';
import { getFromTar } from './file-from-tar.ts';
import { chunksOf, leaving } from './streams.ts';
import {
  compare,
  type PutFileOptions,
  type RemoteFile,
  type TransferSummary,
} from './transfers.ts';

/** How long to retry after a cut, in ms; progress restarts the time. */
const reconnectMs = 60_000;

export class FileTransfer {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Begins to read a file, its path relative to the work directory. */
  async get(path: string, options: { signal?: AbortSignal | undefined } = {}): Promise<RemoteFile> {
    const signal = this.#connection.signalWith(options.signal);
    const first = await this.#open(path, undefined, signal).catch((error: unknown) => {
      // A buildlet without the extension does not know the path.
      if (isStatus(error, 404)) return undefined;
      throw error;
    });
    if (first === undefined) return await getFromTar(this.#connection, path, options);
    let summary = new TransferCounter().summary();
    const whole = this.#whole(path, first, signal, (total) => {
      summary = total;
    });
    return { ...first.info, body: leaving(whole, first.response), summary: () => summary };
  }

  /** Writes a file; parent directories are created. */
  async put(
    source: AsyncIterable<Uint8Array>,
    path: string,
    options: PutFileOptions,
  ): Promise<TransferSummary> {
    const pieces = inPieces(source);
    const first = await pieces.next();
    const second = await pieces.next();
    const { compress = 'none' } = options;
    const isPlain = typeof compress === 'function' || compress === 'none';
    if (second.done && isPlain) return await this.#putSmall(first.value ?? empty, path, options);
    return await this.#putLarge(resumed([first, second], pieces), path, options);
  }

  /**
   * By one request with the digest of its body in its header: a buildlet without the extension accepts the same
   * request, but does not verify it.
   */
  async #putSmall(
    content: Buffer,
    path: string,
    options: PutFileOptions,
  ): Promise<TransferSummary> {
    const counter = new TransferCounter();
    counter.update(content);
    const totals = counter.totals({ files: 1, bytes: content.length });
    const headers = { [totalsHeader]: formatTotals(totals) };
    return await this.#send({ endpoint: endpoints.write, headers, body: content }, counter, {
      path,
      options,
    });
  }

  /** Checks the buildlet's features first: long content is sent with checksums or compressed only where supported. */
  async #putLarge(
    pieces: AsyncIterable<Buffer>,
    path: string,
    options: PutFileOptions,
  ): Promise<TransferSummary> {
    const signal = this.#connection.signalWith(options.signal);
    const counter = new TransferCounter();
    const isKnown = await hasFeature(this.#connection, fileFeature, signal);
    const { compress = 'none' } = options;
    const how = typeof compress === 'function' ? await compress() : compress;
    const body = countBytes(isKnown ? compressed(pieces, how, signal) : pieces, counter);
    const endpoint = isKnown ? endpoints.file : endpoints.write;
    return await this.#send({ endpoint, body }, counter, { path, options });
  }

  async #send(
    { endpoint, ...request }: Pick<HttpRequest, 'headers' | 'body'> & { endpoint: Endpoint },
    counter: TransferCounter,
    { path, options }: { path: string; options: PutFileOptions },
  ): Promise<TransferSummary> {
    const { mode, mtimeMs, into } = options;
    const query = { path, mode: formatWriteMode(mode), mtime: mtimeMs?.toString(), into };
    const signal = this.#connection.signalWith(options.signal);
    const response = await this.#connection.call({
      method: 'PUT',
      path: withQuery(endpoint.path, query),
      signal,
      ...request,
    });
    await readText(response, signal);
    return compare(counter, response.headers[totalsHeader.toLowerCase()], this.#connection);
  }

  async #open(path: string, from: Position | undefined, signal: AbortSignal): Promise<Opened> {
    const query = { path, start: from?.start.toString(), version: from?.version };
    const target = withQuery(endpoints.file.path, query);
    const request = {
      method: 'GET',
      path: target,
      headers: namedReply(),
      signal,
      headersTimeoutMs: headersLimitMs,
    } as const;
    const response = await this.#connection.call(request);
    const header = String(response.headers[fileInfoHeader.toLowerCase()] ?? '');
    const info = parseFileInfo(header);
    if (info !== undefined) return { info, response, headers: request.headers };
    const shown = JSON.stringify(header);
    return this.#connection.badReply(`not a file: its ${fileInfoHeader} is ${shown}`);
  }

  async #totals({ response, headers }: Opened, signal: AbortSignal): Promise<string | undefined> {
    return await trailerOf(this.#connection, response, { name: totalsHeader, headers, signal });
  }

  /** The content, over as many connections as needed. */
  async *#whole(
    path: string,
    first: Opened,
    signal: AbortSignal,
    onSummary: (summary: TransferSummary) => void,
  ): AsyncGenerator<Uint8Array> {
    const { version } = first.info;
    const counter = new TransferCounter();
    const outage = new Outage({ peer: this.#connection.options, reconnectMs, signal });
    let opened: Opened | undefined = first;
    for (;;) {
      const start = counter.wireBytes;
      try {
        opened ??= await this.#open(path, { start, version }, signal);
        yield* countBytes(chunksOf(opened.response, signal), counter);
        // Behind a proxy that speaks HTTP/1.0, a truncated reply looks complete.
        if (counter.wireBytes < first.info.sizeBytes)
          throw new GomoteError('ERR_LOST', 'it was cut');
        break;
      } catch (error) {
        if (counter.wireBytes > start) outage.over();
        opened = undefined;
        await outage.wait(error);
      }
    }
    onSummary(compare(counter, await this.#totals(opened, signal), this.#connection));
  }
}

const empty = Buffer.alloc(0);

/** The items already taken from an iterator, and then the rest. */
async function* resumed(
  taken: readonly IteratorResult<Buffer>[],
  rest: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  for (const { done, value } of taken) if (done !== true) yield value;
  yield* rest;
}

interface Opened {
  readonly info: FileInfo;
  readonly response: HttpResponse;
  /** Of the request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Where to resume, and in which version of the file. */
interface Position {
  readonly start: number;
  readonly version: string;
}
