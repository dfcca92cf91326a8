// Explains error replies that come from a proxy.
import { printable } from '../../printable.ts';

interface Reply {
  readonly statusCode?: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** The reply of our servers to a request that needs more than HTTP/1.0. */
export const oldVersionText = 'HTTP/1.1 or higher required';

const meanings: Readonly<Record<number, readonly [what: string, hint: string]>> = {
  408: ['the request came too slowly for it', 'raise its timeouts (nginx: client_body_timeout)'],
  413: ['the body is too large for it', 'raise its body limit (nginx: client_max_body_size 0)'],
  502: ['it has no reply from the server', 'check that the server runs, and the log of the proxy'],
  503: ['it has no server at the moment', 'check that the server runs, and the log of the proxy'],
  504: ['the server was silent for too long', 'raise its timeouts (nginx: proxy_read_timeout)'],
};

const otherHint = 'it does not pass the request on: check its configuration';

/**
 * Explains an error reply that comes from a proxy, or that a proxy's change of the request caused; undefined when it is the
 * server's own. Our servers reply with plain text, proxies with HTML.
 */
export function proxyReply(reply: Reply, text: string): { what: string; hint: string } | undefined {
  const { statusCode = 0, headers } = reply;
  if (statusCode === 400 && text === oldVersionText) {
    const hint = 'let it speak HTTP/1.1 to the server (nginx: proxy_http_version 1.1)';
    return { what: `the proxy speaks HTTP/1.0: ${text}`, hint };
  }
  if (!/^text\/html\b/i.test(String(headers['content-type'] ?? ''))) return undefined;
  const [what, hint] = meanings[statusCode] ?? [undefined, otherHint];
  const name = headers.server === undefined ? '' : ` (${printable(String(headers.server))})`;
  const from = `${statusCode} from a proxy${name.slice(0, 60)}`;
  return { what: what === undefined ? from : `${from}: ${what}`, hint };
}
