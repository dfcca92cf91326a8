// Which headers a proxy passes on: all but those that belong to one connection (RFC 9110, 7.6.1).
import type { IncomingMessage } from 'node:http';
import { proxyHeader } from '../protocol/endpoints.ts';

const ofOneConnection = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'upgrade',
];

/** The request's headers for the next hop, with its own authorization, as a flat list of names and values. */
export function proxiedHeaders(incoming: IncomingMessage, authorization: string): string[] {
  const headers = passedOn(incoming, ['authorization', 'expect', proxyHeader.toLowerCase()]);
  if (authorization !== '') headers.push('Authorization', authorization);
  if (!hasBody(incoming) && !['GET', 'HEAD'].includes(incoming.method ?? '')) {
    headers.push('Content-Length', '0');
  }
  return headers;
}

/** The reply's headers for the client; how the body is framed is decided anew. */
export function repliedHeaders(reply: IncomingMessage): string[] {
  // A body of known length has no trailers.
  const isSized = reply.headers['content-length'] !== undefined;
  return passedOn(reply, ['transfer-encoding', ...(isSized ? ['trailer'] : [])]);
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

function passedOn(message: IncomingMessage, dropped: readonly string[]): string[] {
  const named = (message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const left = new Set([...ofOneConnection, ...dropped, ...named]);
  // A body's framing cannot be named away: what follows would be taken for another request.
  if (!dropped.includes('transfer-encoding')) left.delete('transfer-encoding');
  left.delete('content-length');
  const headers: string[] = [];
  const { rawHeaders } = message;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]];
    if (!left.has(name.toLowerCase())) headers.push(name, value);
  }
  return headers;
}
