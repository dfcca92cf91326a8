// The exchanges recorded from the original Go programs.
import { readFileSync } from 'node:fs';

export interface Exchange {
  name: string;
  note: string;
  request: {
    method: string;
    path: string;
    proto: string;
    headers: string[];
    body: Buffer;
  };
  /** Raw bytes of the response; none when the connection was cut. */
  response: Buffer;
}

interface Recorded {
  name: string;
  note: string;
  request: Omit<Exchange['request'], 'body'> & { body?: string; bodyBase64?: string };
  response: { raw?: string; rawBase64?: string };
}

export function loadExchanges(file: 'buildlet' | 'coordinator'): Exchange[] {
  const path = new URL(`../fixtures/wire/${file}.json`, import.meta.url);
  const { exchanges } = JSON.parse(readFileSync(path, 'utf8')) as { exchanges: Recorded[] };
  return exchanges.map(({ name, note, request, response }) => ({
    name,
    note,
    request: {
      method: request.method,
      path: request.path,
      proto: request.proto,
      headers: request.headers,
      body: Buffer.from(
        request.bodyBase64 ?? request.body ?? '',
        request.bodyBase64 === undefined ? 'utf8' : 'base64',
      ),
    },
    response: Buffer.from(
      response.rawBase64 ?? response.raw ?? '',
      response.rawBase64 === undefined ? 'utf8' : 'base64',
    ),
  }));
}

export interface ParsedResponse {
  status: number;
  reason: string;
  headers: Map<string, string>;
  body: Buffer;
  trailers: Map<string, string>;
  /** Whether the body came to its end as announced. */
  complete: boolean;
}

/** Reads raw HTTP/1.x response bytes strictly. */
export function parseResponse(raw: Buffer): ParsedResponse {
  const headEnd = raw.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = raw.toString('utf8', 0, headEnd).split('\r\n');
  const [, status = '0', reason = ''] = /^HTTP\/1\.[01] ([0-9]{3}) (.*)$/.exec(statusLine) ?? [];
  const headers = toMap(lines);
  const rest = raw.subarray(headEnd + 4);
  const parsed = { status: Number(status), reason, headers };
  if (headers.get('transfer-encoding') === 'chunked') return { ...parsed, ...readChunks(rest) };
  const length = Number(headers.get('content-length') ?? rest.length);
  return { ...parsed, body: rest, trailers: new Map(), complete: rest.length === length };
}

function readChunks(raw: Buffer): Pick<ParsedResponse, 'body' | 'trailers' | 'complete'> {
  const pieces: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at);
    const size =
      lineEnd < 0 ? Number.NaN : Number.parseInt(raw.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size))
      return { body: Buffer.concat(pieces), trailers: new Map(), complete: false };
    at = lineEnd + 2;
    if (size === 0) break;
    pieces.push(raw.subarray(at, at + size));
    at += size + 2;
  }
  const lines = raw
    .toString('utf8', at)
    .split('\r\n')
    .filter((line) => line !== '');
  return {
    body: Buffer.concat(pieces),
    trailers: toMap(lines),
    complete: raw.subarray(-4).equals(Buffer.from('\r\n\r\n')),
  };
}

const toMap = (lines: string[]): Map<string, string> =>
  new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
