// Reads long replies: archives as byte streams, listings as entries.
import { Readable } from 'node:stream';
import { type ErrorCode, GomoteError } from '../../errors.ts';
import { type HttpResponse, transportError } from '../../http/client/request.ts';
import { type FlowingOptions, flowing } from '../../http/relay/flowing.ts';
import { quoted } from '../../printable.ts';
import { endpoints } from '../../protocol/endpoints.ts';
import { withQuery } from '../../protocol/form.ts';
import {
  type DirEntry,
  isWalkError,
  listedNames,
  listingEnd,
  parseListLine,
  parseUnreadLine,
} from '../../protocol/listing.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import type { Connection } from '../connection.ts';
import { headersLimitMs } from '../time-limit.ts';

/** The options of `listDir`. */
export interface ListDirOptions {
  /** Whether to list subdirectories. Default false. */
  recursive?: boolean | undefined;
  /** Directories to skip, relative to the listed one, with forward slashes, but none at either end. */
  skip?: readonly string[] | undefined;
  /** Whether to include the SHA-1 digests of regular files. Default false. */
  digest?: boolean | undefined;
  /**
   * Called with entries that could not be read, by path, and why; where the buildlet cannot list a name with a newline or
   * tab, by the broken line. Absent: the listing fails with ERR_LOST or ERR_REPLY once all others have arrived.
   */
  onUnreadable?: ((name: string, reason: string) => void) | undefined;
  /** Cancels the call, which then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** How much of a reply is buffered for a slow reader, in bytes. */
const readAheadBytes = 1 << 20;

/** A reply's body, whose failure is ERR_LOST or the signal's reason. */
export function bodyStream(response: HttpResponse, signal: AbortSignal): Readable {
  return Readable.from(chunksOf(response, signal), {
    objectMode: false,
    highWaterMark: readAheadBytes,
  });
}

/** The time limit without data of a body, in ms: heartbeats use another connection. */
const idleMs = 120_000;

/**
 * The chunks of a reply's body, whose failure is ERR_LOST or the signal's reason. A stalled body fails after two
 * minutes by default.
 */
export async function* chunksOf(
  response: HttpResponse,
  signal: AbortSignal,
  options: FlowingOptions = {},
): AsyncGenerator<Buffer> {
  try {
    for await (const piece of flowing(response.body, { idleMs, ...options })) yield piece;
  } catch (error) {
    throw transportError(error, signal, 'ERR_LOST');
  } finally {
    // An abandoned reply would keep its connection open, and the buildlet alive.
    response.body.destroy();
  }
}

/** The entries of `/ls`, as they arrive. */
export async function* listDir(
  connection: Connection,
  dir: string,
  options: ListDirOptions,
): AsyncGenerator<DirEntry, void, undefined> {
  const signal = connection.signalWith(options.signal);
  const path = withQuery(endpoints.list.path, {
    dir,
    recursive: String(options.recursive ?? false),
    digest: String(options.digest ?? false),
    skip: options.skip,
    [listedNames.parameter]: listedNames.escaped,
    [listingEnd.parameter]: listingEnd.wanted,
  });
  // Digests of large files may take longer than that before the first line is sent.
  const headersTimeoutMs = options.digest === true ? undefined : headersLimitMs;
  const response = await connection.call({ method: 'GET', path, signal, headersTimeoutMs });
  const isEscaped = response.headers[listedNames.header.toLowerCase()] === listedNames.escaped;
  const { label } = connection.options;
  const failures = new Failures();
  let isWhole = response.headers[listingEnd.header.toLowerCase()] === undefined;
  for await (const lines of lineBatches(response, signal)) {
    for (const line of lines) {
      if (!isWhole && line === listingEnd.line) {
        isWhole = true;
        continue;
      }
      const entry = parseListLine(line, { isEscaped });
      if (entry !== undefined) yield entry;
      // A Go buildlet lists nothing after that.
      else if (isWalkError(line)) throw new GomoteError('ERR_LOST', `${label}: ${line}`);
      else {
        const unread = isEscaped ? parseUnreadLine(line) : undefined;
        const { name, reason } = unread ?? { name: line, reason: whyBroken };
        if (options.onUnreadable !== undefined) options.onUnreadable(name, reason);
        else if (unread !== undefined) failures.add('ERR_LOST', `${name}: ${reason}`);
        else failures.add('ERR_REPLY', `not a line of a listing: ${quoted(line)}`);
      }
    }
  }
  if (!isWhole) throw new GomoteError('ERR_LOST', `${label}: the listing was cut`);
  failures.throwIfAny(label);
}

const whyBroken = 'the buildlet cannot list a name with a newline or tab';

/** The failure for an incomplete listing. */
class Failures {
  #first: { code: ErrorCode; what: string } | undefined;
  #more = 0;

  add(code: ErrorCode, what: string): void {
    if (this.#first === undefined) this.#first = { code, what };
    else this.#more++;
  }

  throwIfAny(label: string): void {
    if (this.#first === undefined) return;
    const { code, what } = this.#first;
    const more = this.#more > 0 ? ` and ${this.#more} more` : '';
    const why = code === 'ERR_REPLY' ? `${whyBroken}; ` : '';
    throw new GomoteError(code, `${label}: ${what}${more}`, {
      hint: `${why}all others have arrived`,
    });
  }
}

const newline = 0x0a;

/** The longest line of a reply, in bytes. */
const lineLimitBytes = 1 << 20;

/**
 * The lines of a reply, as many at a time as have arrived. A reply that ends in the middle of a line fails with ERR_LOST.
 */
export async function* lineBatches(
  response: HttpResponse,
  signal: AbortSignal,
): AsyncGenerator<string[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  // The digest of a large file may take longer.
  for await (const chunk of chunksOf(response, signal, { idleMs: undefined })) {
    const end = chunk.lastIndexOf(newline);
    if (end >= 0) yield nameFromBytes(Buffer.concat([...rest, chunk.subarray(0, end)])).split('\n');
    if (end >= 0) [rest, restBytes] = [[], 0];
    // The chunk's buffer may be reused.
    rest.push(Buffer.from(chunk.subarray(end + 1)));
    restBytes += chunk.length - end - 1;
    if (restBytes > lineLimitBytes) {
      throw new GomoteError(
        'ERR_REPLY',
        `a line of the reply is longer than ${lineLimitBytes} bytes`,
      );
    }
  }
  if (restBytes > 0) {
    throw new GomoteError('ERR_LOST', 'the reply ended in the middle of a line');
  }
}

/** The same chunks. Leaving the loop early, even before the first chunk, releases the reply. */
export function leaving<T>(pieces: AsyncGenerator<T>, { body }: HttpResponse): AsyncGenerator<T> {
  const end = pieces.return.bind(pieces);
  pieces.return = async (value) => {
    body.destroy();
    return await end(value);
  };
  return pieces;
}
