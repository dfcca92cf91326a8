// Passes requests on to one server and its replies back: bodies, trailers and broken ends, both ways, as they come.
import { type IncomingMessage, request, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import { GomoteError, messageOf } from '../../errors.ts';
import { replyOf } from '../client/request.ts';
import type { ServerAddress } from '../client/server-address.ts';
import { SocketAgent } from '../client/socket-agent.ts';
import { BulkSocket, openBulk } from './bulk-socket.ts';
import { passUpgrade, type UpgradeExchange } from './pass-upgrade.ts';
import { passedTrailers, proxiedHeaders, repliedHeaders } from './proxy-headers.ts';
import { changedHeaders, type RelayChange, sendChanged } from './relay-change.ts';

/** Where requests are passed on to. */
export interface RelayTarget {
  readonly address: ServerAddress;
  /** The value of `Authorization` in place of the client's own; empty: none. */
  readonly authorization: string;
}

/** What passed. */
export interface RelayRecord {
  /** 0 until the reply began. */
  status: number;
  requestBytes: number;
  replyBytes: number;
  /** As in the reply, once it is over: names and values. */
  trailers: readonly string[];
  /** Shown each piece of the request's body. */
  readonly peek?: ((piece: Buffer) => void) | undefined;
}

export const newRelayRecord = (peek?: RelayRecord['peek']): RelayRecord => ({
  status: 0,
  requestBytes: 0,
  replyBytes: 0,
  trailers: [],
  peek,
});

/** How long a connection without a request is kept, in ms: shorter than a buildlet keeps it. */
const idleMs = 60_000;

/** The longest head of a reply, in bytes. */
const headLimitBytes = 64 << 10;

/** The most that is read of a reply to `get`, by default. */
const smallReplyBytes = 64 << 10;

export class Relay {
  readonly #agent: SocketAgent;
  readonly #address: ServerAddress;
  readonly #authorization: string;
  /** The value of `Host`: the machine knows its own address, not what the client calls the relay. */
  readonly #host: string;

  constructor({ address, authorization }: RelayTarget) {
    this.#agent = new SocketAgent(address, { idleMs, open: openBulk });
    this.#address = address;
    this.#authorization = authorization;
    this.#host = address.kind === 'tcp' ? new URL(address.origin).host : 'localhost';
  }

  /** Whether the machine is this one, as far as the address tells. */
  get isHere(): boolean {
    const { kind } = this.#address;
    return (
      kind === 'unix' ||
      (kind === 'tcp' && /^(?:127\.|localhost[:/]|\[::1\])/.test(`${this.#host}/`))
    );
  }

  /**
   * Passes one exchange on. Fails with ERR_CONNECT before a reply began, when one can still be sent; with ERR_LOST
   * when the reply broke off, and then the client's connection is cut as well; with the signal's reason.
   */
  async pass(
    incoming: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
    record: RelayRecord,
    change?: RelayChange,
  ): Promise<void> {
    signal.throwIfAborted();
    const hop = { host: this.#host, authorization: this.#authorization };
    const onward = request({
      agent: this.#agent,
      method: incoming.method,
      path: incoming.url,
      headers: changedHeaders(proxiedHeaders(incoming, hop), change),
      maxHeaderSize: headLimitBytes,
    });
    const abort = () => onward.destroy(asError(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    try {
      let sent: Promise<void> | undefined;
      // At once: what of the reply's body was read with its head may still go another way.
      const replied = replyOf(onward, (reply) => {
        record.status = reply.statusCode ?? 0;
        sent = sendBack(reply, response, record, change?.replyHeaders);
        sent.catch(ignore);
      });
      onward.once('socket', (socket: Duplex) => {
        if (socket instanceof BulkSocket) socket.expectHead();
      });
      onward.on('error', ignore);
      response.on('error', ignore);
      if (change?.body === undefined) send(incoming, onward, record);
      else {
        const onBytes = (bytes: number) => {
          record.requestBytes += bytes;
        };
        sendChanged(incoming, onward, onBytes, change.body);
      }
      await replied;
      await sent;
    } catch (error) {
      if (response.headersSent) response.destroy();
      if (signal.aborted) throw asError(signal.reason);
      const code = record.status > 0 ? 'ERR_LOST' : 'ERR_CONNECT';
      throw new GomoteError(code, messageOf(error), { cause: error });
    } finally {
      signal.removeEventListener('abort', abort);
      if (!onward.writableFinished) onward.destroy();
      // Read the rest of an unwanted body, so that the connection can be reused.
      if (!incoming.complete) incoming.resume();
    }
  }

  /**
   * Passes on a request to upgrade to the protocol; of the reply's headers the named ones. Resolves when the connection is
   * over. Fails as `pass` does.
   */
  async passUpgrade(
    exchange: UpgradeExchange,
    { protocol, passed }: { readonly protocol: string; readonly passed: readonly string[] },
    signal: AbortSignal,
    record: RelayRecord,
  ): Promise<void> {
    const hop = { address: this.#address, host: this.#host, authorization: this.#authorization };
    const refusal = await passUpgrade(exchange, { ...hop, protocol, passed, signal });
    record.status = refusal?.statusCode ?? 101;
    if (refusal !== undefined) await sendBack(refusal, exchange.response, record);
  }

  /** Asks for a small reply, such as a status; fails with ERR_CONNECT, or the signal's reason. */
  async get(
    path: string,
    signal: AbortSignal,
    limitBytes = smallReplyBytes,
  ): Promise<{ status: number; text: string }> {
    const reply = await this.ask('GET', path, signal);
    try {
      let text = '';
      for await (const chunk of reply.setEncoding('utf8')) {
        text += chunk;
        if (text.length > limitBytes) throw new Error('its reply has no end');
      }
      return { status: reply.statusCode ?? 0, text };
    } catch (error) {
      if (signal.aborted) throw asError(signal.reason);
      throw new GomoteError('ERR_CONNECT', messageOf(error), { cause: error });
    }
  }

  /** Asks, and gives the reply as it comes; fails with ERR_CONNECT, or the signal's reason, which ends the reply too. */
  async ask(method: 'GET' | 'POST', path: string, signal: AbortSignal, more = noHeaders) {
    signal.throwIfAborted();
    const headers = {
      ...more,
      Host: this.#host,
      ...(method === 'POST' && { 'Content-Length': 0 }),
      ...(this.#authorization !== '' && { Authorization: this.#authorization }),
    };
    const asked = request({
      ...{ agent: this.#agent, method, path, headers, signal, maxHeaderSize: headLimitBytes },
    });
    asked.on('error', ignore);
    try {
      const replied = replyOf(asked, (reply) => void reply.on('error', ignore));
      asked.end();
      return await replied;
    } catch (error) {
      if (signal.aborted) throw asError(signal.reason);
      throw new GomoteError('ERR_CONNECT', messageOf(error), { cause: error });
    }
  }

  /** Drops the connections; what is passing fails. */
  close(): void {
    this.#agent.destroy();
  }
}

const noHeaders: Readonly<Record<string, string>> = {};

const ignore = (): void => undefined;

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new GomoteError('ERR_ABORTED', 'the call was cancelled');

/** Copies the request's body. Failures are reported by the reply. */
function send(
  incoming: IncomingMessage,
  onward: ReturnType<typeof request>,
  record: RelayRecord,
): void {
  incoming.once('end', () => {
    onward.addTrailers(passedTrailers(incoming.rawTrailers));
    onward.end();
  });
  copy(incoming, onward, (piece) => {
    record.requestBytes += piece.length;
    record.peek?.(piece);
  });
}

async function sendBack(
  reply: IncomingMessage,
  response: ServerResponse,
  record: RelayRecord,
  more: readonly string[] = [],
): Promise<void> {
  const { status } = record;
  if (status < 200 || status > 599) throw new Error(`it answers with status ${status}`);
  const headers = [...repliedHeaders(reply, response.req), ...more];
  response.sendDate = !headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'date');
  // The reason phrase is ours: a machine could write anything there.
  response.writeHead(status, STATUS_CODES[status] ?? 'Unknown', headers);
  // A client may wait for the reply's head long before the first output.
  if (reply.headers['content-length'] === undefined) response.flushHeaders();
  divertBody(reply, response, record);
  await new Promise<void>((resolve, reject) => {
    reply.once('error', reject);
    reply.once('close', () => {
      if (!reply.complete) reject(new Error('the connection was closed in the middle of a reply'));
    });
    reply.once('end', () => {
      record.trailers = reply.rawTrailers;
      response.addTrailers(passedTrailers(reply.rawTrailers));
      response.end(resolve);
    });
    copy(reply, response, (piece) => {
      record.replyBytes += piece.length;
    });
  });
}

/**
 * Where both connections allow, the frames of a chunked body are passed on as they are: the two connections frame
 * bodies alike, and taking each frame apart and making it again would cost as much again as moving its bytes.
 */
function divertBody(reply: IncomingMessage, response: ServerResponse, record: RelayRecord): void {
  const from: Duplex = reply.socket;
  const to = response.socket;
  const isChunked = reply.headers['transfer-encoding'] === 'chunked' && response.chunkedEncoding;
  if (to === null || !isChunked || !(from instanceof BulkSocket)) return;
  from.divert({
    pass: (frames, free) => {
      record.replyBytes += frames.length;
      let isFree = false;
      to.write(frames, () => isFree || free());
      // Data that the kernel has taken no longer needs its buffer.
      isFree = to.writableLength === 0;
      return isFree;
    },
    end: (dataBytes) => {
      record.replyBytes = dataBytes;
    },
  });
}

function copy(source: IncomingMessage, sink: Writable, see: (piece: Buffer) => void): void {
  source.on('data', (piece: Buffer) => {
    see(piece);
    if (!sink.write(piece)) source.pause();
  });
  sink.on('drain', () => source.resume());
}
