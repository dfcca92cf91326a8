// Uploads and downloads archives, counted and hashed at both ends; the totals are compared where the buildlet sends them.
import { Readable } from 'node:stream';
import { GomoteError } from '../../errors.ts';
import { type RequestBody, readText } from '../../http/client/request.ts';
import { contentTypes, endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import {
  type Compression,
  compressHeader,
  excludeParameter,
  linksParameter,
  parseSkipped,
  parseTotals,
  partialParameter,
  preciseParameter,
  readWarnings,
  type TransferSummary,
  totalsHeader,
} from '../../protocol/transfer.ts';
import { checkedGzip } from '../../tar/checked-gzip.ts';
import { countBytes, TransferCounter } from '../../tar/transfer-counter.ts';
import type { Connection } from '../connection.ts';
import { isPromised, lostTrailerHint, namedReply, trailerOf } from '../late-trailer.ts';
import { headersLimitMs } from '../time-limit.ts';
import { bodyStream, leaving } from './streams.ts';

export type { TransferSummary } from '../../protocol/transfer.ts';

/** The options of `putTar`, `getTar` and `download`. */
export interface TransferOptions {
  /** Cancels the call, which then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
  /**
   * The compression of the archive (upload), or the requested one (download). Default `gzip`. Upload zstd only to a buildlet that
   * announces it; a buildlet without the requested one sends gzip.
   */
  compress?: Compression | undefined;
  /** For a download: whether to list unreadable and changing files in the summary. Default: they are a failure. */
  isPartial?: boolean | undefined;
  /** Of a download: times to the millisecond, where the buildlet announces `snapshot`. Default: whole seconds. */
  isPrecise?: boolean | undefined;
  /** Of a download: paths that are left out with all below them, where the buildlet announces `snapshot`. */
  exclude?: readonly string[] | undefined;
  /**
   * Of an upload: symbolic links may lead out of the work directory, where the buildlet announces `snapshot`. Default: such an
   * archive is refused.
   */
  hasAnyLinks?: boolean | undefined;
}

/** An archive that is being read. */
export interface Download {
  /** The archive. It fails with ERR_LOST when it is truncated. */
  readonly body: Readable;
  /** Its compression. */
  readonly compression: 'gzip' | 'zstd';
  /** The totals; complete once the body has ended. */
  summary(): TransferSummary;
}

/** A file being read. */
export interface RemoteFile {
  /** Permission bits. */
  readonly mode: number;
  /** When it was last changed, in ms since 1970. */
  readonly mtimeMs: number;
  /** Its size, in bytes. */
  readonly sizeBytes: number;
  /** The content, to be read once. It fails with ERR_LOST when the file changes, or cannot be read to its end. */
  readonly body: AsyncGenerator<Uint8Array>;
  /** The totals; complete once the body has ended. */
  summary(): TransferSummary;
}

/** The options of `files.put`. */
export interface PutFileOptions extends Omit<TransferOptions, 'compress'> {
  /**
   * The compression on the wire. Default `none`. A function is called when the file is larger than a MiB; smaller files
   * are then sent uncompressed, by a single request.
   */
  compress?: Compression | (() => Promise<Compression>) | undefined;
  /** Permission bits, such as 0o644, or a mode as `fs.stat` gives it. */
  mode: number;
  /** The name to use if the path turns out to be a directory; not supported by Go's buildlet. Default: such a path fails. */
  into?: string | undefined;
  /** Absent: the time of writing. A buildlet without the extension always uses that. */
  mtimeMs?: number | undefined;
}

/** Sends an archive to be extracted into `dir`; `signal` must come from the connection's `signalWith`. */
export async function putTar(
  connection: Connection,
  source: RequestBody,
  dir: string,
  { signal, ...options }: TransferOptions & { signal: AbortSignal },
): Promise<TransferSummary> {
  const counter = new TransferCounter();
  const response = await connection.call({
    method: 'PUT',
    path: withQuery(endpoints.putTar.path, {
      dir,
      [linksParameter]: options.hasAnyLinks ? 'any' : undefined,
    }),
    headers: { [compressHeader]: options.compress ?? 'gzip' },
    body: counted(source, counter),
    signal,
  });
  await readText(response, signal);
  const summary = compare(counter, response.headers[totalsHeader.toLowerCase()], connection);
  return { ...summary, warnings: readWarnings(response.headers) };
}

/** Requests `dir` as an archive; `release`: with a single gzip member. */
export async function getTar(
  connection: Connection,
  dir: string,
  options: TransferOptions & { release: boolean },
): Promise<Download> {
  const signal = connection.signalWith(options.signal);
  const headers = { [compressHeader]: options.compress ?? 'gzip', ...namedReply() };
  const response = await connection.call({
    method: 'GET',
    path: withQuery(endpoints.getTar.path, {
      dir,
      pargzip: options.release ? '0' : undefined,
      [partialParameter]: options.isPartial ? '1' : undefined,
      [preciseParameter]: options.isPrecise ? '1' : undefined,
      [excludeParameter]: options.exclude,
    }),
    headers,
    signal,
    headersTimeoutMs: headersLimitMs,
  });
  const isCounted = isPromised(response, totalsHeader);
  const isZstd = response.headers['content-type'] === contentTypes.zstd;
  let summary: TransferSummary | undefined;
  const counter = new TransferCounter();
  async function* proved(): AsyncGenerator<Uint8Array> {
    const body = countBytes(bodyStream(response, signal), counter);
    yield* isCounted ? body : checkedGzip(body);
    const trailer = await trailerOf(connection, response, { name: totalsHeader, headers, signal });
    const { totals, skipped } = parseSkipped(trailer ?? '');
    summary = { ...compare(counter, isCounted ? totals : undefined, connection), skipped };
  }
  return {
    body: Readable.from(leaving(proved(), response), {
      objectMode: false,
      highWaterMark: 1 << 20,
    }),
    compression: isZstd ? 'zstd' : 'gzip',
    summary: () => summary ?? counter.summary(),
  };
}

function counted(source: RequestBody, counter: TransferCounter): RequestBody {
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    return countBytes(source, counter);
  counter.update(Buffer.from(source));
  return source;
}

/** The totals. Throws ERR_LOST when both ends differ. */
export function compare(
  counter: TransferCounter,
  sent: string | string[] | undefined,
  connection: Connection,
): TransferSummary {
  const here = counter.summary();
  if (sent === undefined) return here;
  const there = parseTotals(String(sent));
  if (there?.sha256 === here.sha256 && there.wireBytes === here.wireBytes) return there;
  const counted =
    there === undefined ? 'did not say what' : `counted ${there.wireBytes} bytes, and digest`;
  throw new GomoteError(
    'ERR_LOST',
    `the two ends counted different bytes: ${connection.options.label} ${counted} ${there?.sha256 ?? 'it counted'}; here: ${here.wireBytes} bytes, ${here.sha256}`,
    { hint: sent === '' ? lostTrailerHint : 'transfer it again' },
  );
}
