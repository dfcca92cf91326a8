// The PROXY protocol, versions 1 and 2, by which a TCP balancer tells whose connection it forwards.
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt
import type { Server } from 'node:http';
import { isIP, Socket } from 'node:net';
import type { TrustedProxies } from './trusted-proxies.ts';

/** The time limit for the header, in ms. */
const headerTimeoutMs = 5_000;

/** The longest line of version 1, in bytes, with its end. */
const lineLimit = 107;

/** The longest header of version 2, in bytes, with the proxy's additions. */
const headerLimit = 4_096;

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

interface ProxyHeader {
  /** The length of the header, in bytes. */
  readonly length: number;
  /** The client's address; undefined for the proxy's own connection, such as a health check. */
  readonly source: string | undefined;
}

/**
 * Parses what has arrived so far: `more` when the header is incomplete; throws for a broken header. A connection that begins
 * differently has none: it is the proxy's own, or that of another program on its machine.
 */
function parseProxyHeader(bytes: Buffer): ProxyHeader | 'more' {
  const begins = (text: Buffer) => {
    const length = Math.min(bytes.length, text.length);
    return bytes.subarray(0, length).equals(text.subarray(0, length));
  };
  if (begins(signature)) return binaryHeader(bytes);
  if (begins(Buffer.from('PROXY '))) return textHeader(bytes);
  return { length: 0, source: undefined };
}

function textHeader(bytes: Buffer): ProxyHeader | 'more' {
  const end = bytes.subarray(0, lineLimit).indexOf('\r\n');
  if (end < 0 && bytes.length < lineLimit) return 'more';
  const line = bytes.toString('latin1', 0, Math.max(end, 0));
  const [, family = '', source = ''] = line.split(' ');
  if (family === 'UNKNOWN') return { length: end + 2, source: undefined };
  const isAddress = isIP(source) === { TCP4: 4, TCP6: 6 }[family];
  if (end < 0 || !isAddress || line.split(' ').length !== 6) throw new Error('bad PROXY line');
  return { length: end + 2, source };
}

function binaryHeader(bytes: Buffer): ProxyHeader | 'more' {
  if (bytes.length < 16) return 'more';
  const [command, family] = [bytes.readUInt8(12), bytes.readUInt8(13)];
  const length = 16 + bytes.readUInt16BE(14);
  if (length > headerLimit || ![0x20, 0x21].includes(command)) throw new Error('bad PROXY header');
  if (bytes.length < length) return 'more';
  const source = command === 0x20 ? undefined : addressIn(bytes.subarray(16, length), family);
  return { length, source };
}

function addressIn(block: Buffer, family: number): string | undefined {
  if (family === 0x11 && block.length >= 12) return [...block.subarray(0, 4)].join('.');
  if (family !== 0x21 || block.length < 36) return undefined;
  const words = Array.from({ length: 8 }, (_, at) => block.readUInt16BE(2 * at).toString(16));
  return words.join(':');
}

/**
 * Accepts PROXY headers on connections of trusted proxies. Call it last, when the server has all its
 * `connection` listeners: they get a connection after its header. Other connections are passed on unchanged.
 */
export function acceptProxyHeaders(
  server: Server,
  proxies: TrustedProxies,
  onRefused: (address: string, reason: string) => void,
): void {
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: unknown) => {
    const pass = () => {
      for (const listener of listeners) listener.call(server, socket);
    };
    if (!(socket instanceof Socket) || !proxies.has(socket.remoteAddress)) return pass();
    readHeader(socket).then(
      ({ source }) => {
        if (source !== undefined) proxies.name(socket, source);
        pass();
        socket.resume();
      },
      (error: Error) => {
        onRefused(socket.remoteAddress ?? '', error.message);
        socket.destroy();
      },
    );
  });
}

/** Reads the header of a connection and leaves the connection paused. */
function readHeader(socket: Socket): Promise<ProxyHeader> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const timer = setTimeout(() => end(new Error('no PROXY header came in time')), headerTimeoutMs);
    const end = (outcome: ProxyHeader | Error) => {
      clearTimeout(timer);
      socket.off('data', take).off('close', closed).off('error', end).pause();
      if (outcome instanceof Error) return reject(outcome);
      if (bytes.length > outcome.length) socket.unshift(bytes.subarray(outcome.length));
      resolve(outcome);
    };
    const closed = () => end(new Error('the connection was closed before a PROXY header'));
    const take = (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      try {
        const header = parseProxyHeader(bytes);
        if (header !== 'more') end(header);
      } catch (error) {
        end(error instanceof Error ? error : new Error('bad PROXY header'));
      }
    };
    socket.on('data', take).once('close', closed).once('error', end);
  });
}
