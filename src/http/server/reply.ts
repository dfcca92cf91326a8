// Sends replies in the format of a Go server, and reads small request bodies.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { type ErrorCode, GomoteError } from '../../errors.ts';
import { collected } from '../../files/collected.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { errorCodeHeader, errorReply } from '../../protocol/error-reply.ts';
import { decodeForm } from '../../protocol/form.ts';

/** The largest form accepted, in bytes: Go's own limit. */
const formLimitBytes = 10 << 20;

/** A one-line reply has no control characters. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');

/** Sends a whole reply with its length. */
export function sendText(
  response: ServerResponse,
  text: string,
  contentType: string = contentTypes.text,
): void {
  const body = Buffer.from(text);
  response.writeHead(200, { 'Content-Type': contentType, 'Content-Length': body.length });
  response.end(body);
}

/** Sends an empty success. */
export function sendEmpty(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': 0 });
  response.end();
}

/**
 * Sends an error as one line of text. When part of a reply has already been sent, the connection is cut: a
 * missing end is how the protocol reports a late failure.
 */
export function sendError(
  response: ServerResponse,
  status: number,
  text: string,
  code?: ErrorCode,
): void;
export function sendError(response: ServerResponse, error: unknown): void;
export function sendError(
  response: ServerResponse,
  first: unknown,
  text?: string,
  code?: ErrorCode,
): void {
  try {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const isGiven = typeof first === 'number' && text !== undefined;
    const reply = isGiven ? { status: first, text, code } : errorReply(first);
    if (reply.code !== undefined) response.setHeader(errorCodeHeader, reply.code);
    const body = Buffer.from(`${oneLine(reply.text)}\n`);
    response.statusCode = reply.status;
    // A failed attempt may have left a reason phrase that cannot be sent.
    response.statusMessage = STATUS_CODES[reply.status] ?? 'Error';
    response.setHeader('Content-Type', contentTypes.text);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    // A reply that announced trailers has to be chunked, as Go's are.
    if (!response.hasHeader('Trailer')) response.setHeader('Content-Length', body.length);
    else response.flushHeaders();
    response.end(body);
  } catch {
    // An error reply that fails cannot be reported, except by closing the connection.
    response.destroy();
  }
}

/** How long a refused request may continue to send its body, in ms: if cut at once, the sender might not see the reply. */
const lingerMs = 1_000;

/** Sends an error to an unauthenticated client and closes the connection, whatever else it sends. */
export function sendRefusal(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { req: request } = response;
  const body = Buffer.from(`${oneLine(text)}\n`);
  response.writeHead(status, {
    'Content-Type': contentTypes.text,
    'X-Content-Type-Options': 'nosniff',
    'Content-Length': body.length,
    Connection: 'close',
  });
  response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, request.complete ? 0 : lingerMs).unref();
  if (request.complete) end();
  else {
    request
      .once('close', end)
      .once('end', end)
      .on('error', () => undefined);
    request.resume();
  }
}

/** The trailer of a streamed reply: its name, and its value once the body has been sent. */
export interface Trailer {
  /** Announces the trailer in the head, which is sent next. The returned function sends the trailer. */
  readonly announce: (response: ServerResponse) => (value: string) => void;
  readonly value: () => string;
}

/**
 * Streams the chunks with backpressure. A body of one chunk goes out with its length, unless a trailer follows it; a
 * failure before the first chunk is thrown for the caller to report, a later one cuts the connection.
 */
export async function sendStream(
  response: ServerResponse,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  contentType: string,
  trailer?: Trailer,
): Promise<void> {
  const headers = { 'Content-Type': contentType };
  let sendTrailer: ((value: string) => void) | undefined;
  const begin = () => {
    if (response.headersSent) return;
    sendTrailer = trailer?.announce(response);
    response.writeHead(200, headers);
  };
  let held: string | Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (held !== undefined) {
      begin();
      if (!response.write(held)) await drained(response);
      if (response.destroyed) return;
    }
    held = chunk;
  }
  if (trailer !== undefined) {
    begin();
    if (held !== undefined) response.write(held);
    sendTrailer?.(trailer.value());
    response.end();
    return;
  }
  if (!response.headersSent) {
    const length = Buffer.byteLength(held ?? '');
    response.writeHead(
      200,
      held === undefined ? { 'Content-Length': 0 } : { ...headers, 'Content-Length': length },
    );
  }
  response.end(held);
}

/** Resolves when the response accepts more, or was closed. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

interface FormLimits {
  readonly limitBytes?: number;
  /** The time limit for the form, in ms. */
  readonly timeoutMs?: number;
}

/** For a form of a few short values. */
export const smallForm: FormLimits = { limitBytes: 64 << 10, timeoutMs: 30_000 };

/** The default time limit for a form, in ms. */
const formTimeoutMs = 120_000;

/** The values of a form in the body; see `readFormBody`. */
export const readForm = async (
  request: IncomingMessage,
  limits?: FormLimits,
): Promise<URLSearchParams> => decodeForm(await readFormBody(request, limits));

/** Reads a form body. Refuses one that is too large or too slow with ERR_REQUEST. */
export async function readFormBody(
  request: IncomingMessage,
  { limitBytes = formLimitBytes, timeoutMs = formTimeoutMs }: FormLimits = {},
): Promise<string> {
  const tooLarge = () =>
    new GomoteError('ERR_REQUEST', `the form is larger than ${limitBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge();
  const timer = setTimeout(() => {
    request.destroy(
      new GomoteError('ERR_REQUEST', `the form did not come within ${timeoutMs / 1000} s`),
    );
  }, timeoutMs).unref();
  try {
    // A refused request must stay open until its reply has been sent.
    const pieces: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
    return (await collected(pieces, limitBytes, tooLarge)).toString();
  } finally {
    clearTimeout(timer);
  }
}
