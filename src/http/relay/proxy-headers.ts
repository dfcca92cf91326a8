// Which headers are relayed: of a request all but the hop-by-hop ones (RFC 9110, 7.6.1), of a reply only a few.
import { type IncomingMessage, validateHeaderName, validateHeaderValue } from 'node:http';
import { processStateTrailer, proxyHeader } from '../../protocol/endpoints.ts';
import { storeAtHeader } from '../../protocol/stored.ts';
import { currentTraceparent } from '../../tracing.ts';

const ofOneConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'upgrade',
];

/** What is the relay's own, or nothing to a machine. */
const ofTheRelay = [
  'authorization',
  'cookie',
  'expect',
  'host',
  proxyHeader.toLowerCase(),
  storeAtHeader.toLowerCase(),
];

/**
 * What the protocol has in replies. Nothing else passes: a machine runs anybody's code, and its cookies, redirects and
 * policies would be taken for those of the relay. So do names that begin with `Gomote-` or `X-Gomote-`.
 */
const replied = new Set([
  ...['content-type', 'content-length', 'content-encoding', 'content-range', 'content-disposition'],
  ...['accept-ranges', 'date', 'etag', 'last-modified', 'retry-after', 'trailer'],
  ...['x-accel-buffering', 'x-content-type-options'],
]);

/** What the protocol has in trailers, both ways. */
const isOfTrailers = (name: string): boolean =>
  name === processStateTrailer.toLowerCase() || isOurs(name);

/** Names that the extensions of the protocol have. */
const isOurs = (name: string): boolean => /^(?:x-)?gomote-/.test(name);

interface NextHop {
  readonly host: string;
  /** Empty: none. */
  readonly authorization: string;
}

/** The request's headers for the next hop, as a flat list of names and values. */
export function proxiedHeaders(
  incoming: IncomingMessage,
  { host, authorization }: NextHop,
): string[] {
  const { connection = '' } = incoming.headers;
  const left = new Set([...ofOneConnection, ...ofTheRelay, ...listed(connection)]);
  const traceparent = currentTraceparent();
  if (traceparent !== undefined) left.add('traceparent');
  // A body's framing cannot be named away: what follows would be taken for another request.
  for (const name of ['transfer-encoding', 'content-length']) left.delete(name);
  if (incoming.headers['transfer-encoding'] === undefined) left.add('trailer');
  const headers = kept(incoming.rawHeaders, (name) => !left.has(name));
  headers.push('Host', host);
  if (traceparent !== undefined) headers.push('traceparent', traceparent);
  if (authorization !== '') headers.push('Authorization', authorization);
  if (!hasBody(incoming) && !['GET', 'HEAD'].includes(incoming.method ?? '')) {
    headers.push('Content-Length', '0');
  }
  return headers;
}

/** The reply's headers for the client; how the body is framed is decided again. */
export function repliedHeaders(
  { headers, rawHeaders, statusCode }: IncomingMessage,
  { method, httpVersion }: Pick<IncomingMessage, 'method' | 'httpVersion'>,
): string[] {
  const left = new Set(listed(headers.connection ?? ''));
  left.delete('content-length');
  const hasBody = method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
  // Only a body in chunks has trailers, and HTTP/1.0 has none.
  if (!hasBody || httpVersion === '1.0' || headers['content-length'] !== undefined)
    left.add('trailer');
  // It has no body. A client that believed the length would take the next reply for one.
  if (statusCode === 204) left.add('content-length');
  return kept(rawHeaders, (name) => !left.has(name) && (replied.has(name) || isOurs(name)));
}

/** The trailers that pass, as pairs. */
export function passedTrailers(raw: readonly string[]): [string, string][] {
  const flat = kept(raw, isOfTrailers);
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : []));
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

const listed = (names: string): string[] => names.toLowerCase().split(/\s*,\s*/);

/** Those of a flat list whose lower-case name is wanted, and that can be sent at all. */
function kept(raw: readonly string[], isWanted: (name: string) => boolean): string[] {
  return raw.flatMap((name, at) => {
    const value = raw[at + 1] ?? '';
    return at % 2 === 0 && isWanted(name.toLowerCase()) && canBeSent(name, value)
      ? [name, value]
      : [];
  });
}

function canBeSent(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}
