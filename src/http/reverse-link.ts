// One connection that carries many: HTTP/2 with the roles turned, so that who was dialled opens the streams.
import {
  type ClientHttp2Session,
  connect,
  constants,
  type Http2Session,
  performServerHandshake,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { GomoteError, messageOf } from '../errors.ts';
import { ByteStream } from './byte-stream.ts';

export interface LinkOptions {
  /** What the other end is called in errors. */
  readonly label: string;
  /** Milliseconds between heartbeats; three without a sign of life end the link. Default 10,000. */
  readonly heartbeatMs?: number | undefined;
}

export interface Link {
  /** Resolves when the connection is over, with the reason in words. */
  readonly ended: Promise<string>;
  /** Ends the link: no new streams, a moment for those running; the other end is told the reason. */
  end(reason: string): void;
}

/** The end that opens streams: a coordinator's. */
export interface CallingLink extends Link {
  /** A new connection to the other end's server; throws ERR_CONNECT when the link is over. */
  open(): Duplex;
  /** Whether the other end answers within the time. */
  answers(withinMs: number): Promise<boolean>;
}

const defaultHeartbeatMs = 10_000;
const missesToDeath = 3;

/** How long replies may take to go out when a link is ended, in ms. */
const endGraceMs = 3_000;

/** How much of one stream may be on its way to a reader that does not read, in bytes. */
const streamWindowBytes = 1 << 20;

/** How much of all streams may be on its way, in bytes. What has arrived counts no more, read or not. */
const linkWindowBytes = 16 << 20;

const sessionOptions = {
  settings: {
    initialWindowSize: streamWindowBytes,
    enablePush: false,
    maxConcurrentStreams: 10_000,
  },
  // In MB, per connection: enough for every stream to wait with a full window.
  maxSessionMemory: 2_048,
  peerMaxConcurrentStreams: 10_000,
};

/** Takes the dialled end of an upgraded connection: streams are opened from here. */
export function callingLink(socket: Duplex, head: Buffer, options: LinkOptions): CallingLink {
  giveBack(socket, head);
  const session = connect('http://buildlet', {
    ...sessionOptions,
    createConnection: () => socket,
  });
  const link = supervise(session, socket, options);
  const { NGHTTP2_REFUSED_STREAM } = constants;
  return {
    ...link,
    open: () => {
      const lost = link.reason();
      if (lost !== undefined) throw new GomoteError('ERR_CONNECT', `${options.label}: ${lost}`);
      const stream = session.request({ ':method': 'CONNECT', ':authority': 'buildlet' });
      return new ByteStream(stream, () => {
        const refused = stream.rstCode === NGHTTP2_REFUSED_STREAM;
        const why = refused ? 'it takes no more connections' : 'it cut the stream';
        return `${options.label}: ${link.reason() ?? why}`;
      });
    },
    answers: (withinMs) => answers(session, withinMs),
  };
}

/** Takes the dialling end: each stream that the other end opens is given to `onConnection`. */
export function servingLink(
  socket: Duplex,
  head: Buffer,
  options: LinkOptions & { readonly onConnection: (connection: Duplex) => void },
): Link {
  giveBack(socket, head);
  const session = performServerHandshake(socket, sessionOptions);
  const link = supervise(session, socket, options);
  session.on('stream', (stream, headers) => {
    if (headers[':method'] !== 'CONNECT') {
      stream.respond({ ':status': 405 }, { endStream: true });
      return;
    }
    stream.respond({ ':status': 200 });
    const lost = () => `${options.label}: ${link.reason() ?? 'it cut the stream'}`;
    options.onConnection(new ByteStream(stream, lost));
  });
  return link;
}

/** What came with the last bytes of the upgrade belongs to the session. */
function giveBack(socket: Duplex, head: Buffer): void {
  if (head.length > 0) socket.unshift(head);
}

interface Supervised extends Link {
  /** Why the link is over; undefined while it is not. */
  reason(): string | undefined;
}

/** Watches over the session: heartbeats, and why it ended. */
function supervise(session: Http2Session, socket: Duplex, options: LinkOptions): Supervised {
  let reason: string | undefined;
  let tell: (reason: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const destroy = () => {
    session.destroy();
    socket.destroy();
  };
  const stopHeartbeat = startHeartbeat(session, socket, options, (why) => {
    reason ??= why;
    destroy();
  });
  const fail = (error: Error) => {
    reason ??= `the connection was lost: ${messageOf(error)}`;
  };
  session.once('connect', () => session.setLocalWindowSize(linkWindowBytes));
  // The other end's last words; it closes the session when its replies are out.
  session.on('goaway', (_code, _lastStream, data?: Uint8Array) => {
    const words = data === undefined ? '' : Buffer.from(data).toString();
    reason ??= words === '' ? 'it closed the connection' : words;
  });
  session.on('error', fail);
  socket.on('error', fail);
  session.once('close', () => {
    stopHeartbeat();
    reason ??= 'the connection was lost';
    tell(reason);
  });
  return {
    ended,
    reason: () => reason,
    end: (why) => {
      if (reason !== undefined) return;
      reason = why;
      session.goaway(constants.NGHTTP2_NO_ERROR, 0, Buffer.from(why));
      session.close();
      setTimeout(destroy, endGraceMs).unref();
    },
  };
}

function startHeartbeat(
  session: Http2Session,
  socket: Duplex,
  { heartbeatMs = defaultHeartbeatMs }: LinkOptions,
  onDead: (reason: string) => void,
): () => void {
  let misses = 0;
  let answered = true;
  let bytesRead = 0;
  const timer = setInterval(() => {
    // A slow connection may hold an answer up behind data; the data is life enough.
    const read = 'bytesRead' in socket ? Number(socket.bytesRead) : 0;
    misses = answered || read > bytesRead ? 0 : misses + 1;
    bytesRead = read;
    if (misses >= missesToDeath) {
      return onDead(`no answer to heartbeats for ${(misses * heartbeatMs) / 1000} s`);
    }
    answered = false;
    ping(session, (ok) => {
      answered ||= ok;
    });
  }, heartbeatMs);
  timer.unref();
  return () => clearInterval(timer);
}

function answers(session: ClientHttp2Session, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    ping(session, (ok) => {
      clearTimeout(timer);
      resolve(ok);
    });
  });
}

/** Asks for a sign of life, and tells whether one came. */
function ping(session: Http2Session, onAnswer: (ok: boolean) => void): void {
  if (session.closed || session.destroyed || session.connecting) onAnswer(false);
  else session.ping((error) => onAnswer(error === null));
}
