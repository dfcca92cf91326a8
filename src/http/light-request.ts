// HTTP requests over sockets of our own: for commands that make few requests, runs whose output is long, and trees. Node's own
// client and undici take longer to load than a short command to run, and copy every piece of a reply.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { GomoteError } from '../errors.ts';
import { ReplyParser } from './reply-parser.ts';
import type { HttpReply, HttpRequest, ServerAddress } from './request.ts';
import { writeChunks } from './write-chunks.ts';

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

/** A sender to the address; undefined when it is one that needs more than a connection to it. */
export async function lightSender(address: ServerAddress): Promise<LightSender | undefined> {
  if (address.kind === 'unix') {
    return new LightSender(() => plainWire({ path: address.path }), 'buildlet');
  }
  if (address.kind !== 'tcp' || address.proxy !== undefined) return undefined;
  const { host, hostname, port, protocol } = new URL(address.origin);
  const where = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'http:' ? 80 : 443)),
  };
  if (protocol === 'http:') {
    return new LightSender(() => plainWire({ ...where, noDelay: true }), host);
  }
  const { pinnedCert: certPem, fingerprint } = address;
  if (certPem === undefined && fingerprint === undefined) return undefined;
  const { connectPinned } = await import('./light-tls.ts');
  const timed = { ...where, timeoutMs: connectTimeoutMs };
  const open = async () => ({ socket: await connectPinned({ certPem, fingerprint }, timed) });
  return new LightSender(open, host);
}

/** A connection, and the body that is being read from it. */
interface Wire {
  readonly socket: Socket;
  body?: Body | undefined;
  /** Whether all of the request has been handed to the socket. */
  isSent?: boolean;
}

/** How much is read at once, in bytes. */
const readBytes = 64 << 10;

/** A connection that reads into one buffer for as long as its reader lets it. */
function plainWire(where: NetConnectOpts): Wire {
  let buffer = Buffer.allocUnsafeSlow(readBytes);
  let wire: Wire | undefined;
  const socket: Socket = connect({
    ...where,
    onread: {
      buffer: () => {
        // The last of a reply may be held by its reader when the connection has none any more.
        if (wire?.body?.isFree() !== true) buffer = Buffer.allocUnsafeSlow(readBytes);
        return buffer;
      },
      callback: (size) => socket.emit('data', buffer.subarray(0, size)),
    },
  });
  wire = { socket };
  return wire;
}

export class LightSender {
  readonly #connect: () => Wire | Promise<Wire>;
  readonly #host: string;
  readonly #wires = new Set<Wire>();
  readonly #idle = new Set<Wire>();

  /** @param connect Gives a connection; one that needs no proof of who is there may still be under way. */
  constructor(connect: () => Wire | Promise<Wire>, host: string) {
    this.#connect = connect;
    this.#host = host;
  }

  /** Resolves with the reply's header; fails with what the connection says. */
  async send(request: HttpRequest): Promise<HttpReply> {
    const { body } = request;
    const isWhole = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const head = formatHead(
      request,
      this.#host,
      isWhole ? Buffer.byteLength(body ?? '') : undefined,
    );
    const wire = [...this.#idle].at(-1) ?? (await this.#open());
    this.#idle.delete(wire);
    const { socket } = wire;
    socket.ref();
    wire.isSent = false;
    const reply = exchange(wire, request, () => this.#idle.add(wire));
    const sent = () => {
      wire.isSent = true;
    };
    socket.cork();
    socket.write(head, 'latin1');
    if (isWhole && body !== undefined && body.length > 0) socket.write(body);
    socket.uncork();
    if (isWhole) sent();
    else writeChunks(socket, body).then(sent, (error: Error) => socket.destroy(error));
    return await reply;
  }

  async #open(): Promise<Wire> {
    const wire = await this.#connect();
    const { socket } = wire;
    this.#wires.add(wire);
    const late = socket.connecting
      ? setTimeout(() => socket.destroy(new Error('connect timed out')), connectTimeoutMs)
      : undefined;
    socket.once('connect', () => clearTimeout(late));
    socket.once('close', () => {
      clearTimeout(late);
      this.#wires.delete(wire);
      this.#idle.delete(wire);
    });
    // One that is idle may fail; one in use has a listener more.
    socket.on('error', () => undefined);
    return wire;
  }

  destroy(): void {
    for (const { socket } of this.#wires) socket.destroy();
  }
}

/** `length` is the body's; undefined when it comes in chunks. */
function formatHead(
  { method, path, headers }: HttpRequest,
  host: string,
  length: number | undefined,
): string {
  const framing =
    length === undefined ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': length };
  const fields = { Host: host, ...headers, ...(method !== 'GET' && framing) };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  const isSafe = lines.every((line) => /^[ -~\u00a0-\u00ff]*\r\n$/.test(line));
  if (isSafe && /^\/[!-~]*$/.test(path)) return head;
  throw new GomoteError('ERR_REQUEST', `a request cannot hold ${JSON.stringify(path)}`);
}

/** Reads the reply to the request that is written to the socket. */
function exchange(
  wire: Wire,
  { signal, headersTimeoutMs }: HttpRequest,
  keep: () => void,
): Promise<HttpReply> {
  const { socket } = wire;
  return new Promise((resolve, reject) => {
    let body: Body | undefined;
    const parser = new ReplyParser({
      onHead: (head) => {
        clearTimeout(late);
        body = wire.body = new Body(socket, fail);
        resolve({ ...head, body });
      },
      onBody: (bytes) => {
        if (body?.push(bytes) === false) socket.pause();
      },
    });
    const settle = () => {
      clearTimeout(late);
      socket.off('data', onData).off('end', onEnd).off('error', fail).off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error) => {
      settle();
      socket.destroy();
      if (body === undefined) reject(error);
      else body.destroy(error);
    };
    const finish = () => {
      settle();
      body?.finish();
      // What has not been sent of the request would be taken for the beginning of the next.
      if (!parser.staysOpen || wire.isSent !== true || socket.writableLength > 0) {
        return void socket.destroy();
      }
      wire.body = undefined;
      socket.resume();
      socket.unref();
      keep();
    };
    const parse = (step: () => void) => {
      try {
        step();
      } catch (error) {
        return fail(error as Error);
      }
      if (parser.isDone) finish();
    };
    const onData = (chunk: Buffer) => parse(() => parser.push(chunk));
    const onEnd = () => parse(() => parser.end());
    const onClose = () => fail(new Error('the connection was closed'));
    const onAbort = () => fail(new Error('the call was cancelled'));
    const late =
      headersTimeoutMs === undefined
        ? undefined
        : setTimeout(() => fail(new Error('no reply came in time')), headersTimeoutMs);
    socket.on('data', onData).on('end', onEnd).on('error', fail).on('close', onClose);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
  });
}

/** A reply's body, read from the socket as fast as its reader takes it. */
class Body extends Readable {
  isUsedUp: (() => boolean) | undefined;
  readonly #socket: Socket;
  readonly #fail: (error: Error) => void;
  #isWhole = false;

  constructor(socket: Socket, fail: (error: Error) => void) {
    super({ highWaterMark: 64 << 10 });
    this.#socket = socket;
    this.#fail = fail;
  }

  /** Whether nothing needs what was read so far. */
  isFree(): boolean {
    return this.readableLength === 0 && this.isUsedUp?.() === true;
  }

  /** All of it has come: the socket is not its own any more. */
  finish(): void {
    this.#isWhole = true;
    this.push(null);
  }

  override _read(): void {
    if (!this.#isWhole) this.#socket.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isWhole) {
      this.#isWhole = true;
      this.#fail(error ?? new Error('the reply was dropped'));
    }
    // Nobody may be reading it when the connection goes.
    callback(this.listenerCount('error') > 0 ? error : null);
  }
}
