// A request that upgrades the caller's connection to a byte stream.
import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';

interface UpgradeCall {
  readonly method?: 'GET' | 'POST' | undefined;
  readonly path: string;
  /** With `Host`; `Connection` and `Upgrade` are added. */
  readonly headers: Readonly<Record<string, string>>;
  /** The protocol asked for. */
  readonly protocol: string;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
}

export interface Upgraded<Stream extends Duplex = Duplex> {
  readonly socket: Stream;
  /** Bytes that arrived right after the reply's header. */
  readonly head: Buffer;
  /** The headers of the reply, names in lower case. */
  readonly headers: IncomingMessage['headers'];
}

/** The connection after the upgrade, or the reply that refuses it. The caller destroys the connection in any case. */
export function upgrade<Stream extends Duplex>(
  socket: Stream,
  { method = 'GET', path, headers, protocol, body, signal }: UpgradeCall,
): Promise<Upgraded<Stream> | { refusal: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const asking = request({
      createConnection: () => socket,
      method,
      path,
      headers: { ...headers, ...length, Connection: 'Upgrade', Upgrade: protocol },
    });
    // Not passed as the request's signal, which would also abort the socket after the upgrade.
    const abort = () => asking.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    asking.once('close', () => signal.removeEventListener('abort', abort));
    asking.once('error', reject);
    asking.once('upgrade', ({ headers }, _socket, head) => resolve({ socket, head, headers }));
    asking.once('response', (refusal) => resolve({ refusal }));
    asking.end(body);
  });
}
