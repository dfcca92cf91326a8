// Who sent a request: the address at the other end of the connection or, when that is a trusted proxy, who the proxy says it is.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { GomoteError } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import { addNetwork, isListed } from '../networks.ts';

/** In the list of trusted proxies: any client of a unix socket. */
const unixSocket = 'unix';

export class TrustedProxies {
  /** As it was given. */
  readonly list: readonly string[];
  readonly #addresses = new BlockList();
  readonly #trustsSocket: boolean;
  /** The client addresses from the PROXY protocol, by `keyOf`. */
  readonly #named = new Map<string, string>();
  /** The same for connections to a unix socket, which have no addresses. */
  readonly #namedHere = new WeakMap<Socket, string>();

  /** @param list Addresses, networks such as `10.0.0.0/8`, or `unix`. Throws ERR_CONFIG for anything else. */
  constructor(list: readonly string[] = []) {
    this.list = list;
    this.#trustsSocket = list.includes(unixSocket);
    for (const text of list) {
      if (text === unixSocket || addNetwork(this.#addresses, text)) continue;
      const hint = 'give an address, a network such as "10.0.0.0/8", or "unix"';
      throw new GomoteError('ERR_CONFIG', `${quoted(text)} is not the address of a proxy`, {
        hint,
      });
    }
  }

  /** Whether the address is a trusted proxy's; undefined stands for a unix socket. */
  has(address: string | undefined): boolean {
    if (address === undefined) return this.#trustsSocket;
    return isListed(this.#addresses, plainAddress(address));
  }

  /** Records the client of a proxy's connection until it is closed. */
  name(socket: Socket, address: string): void {
    if (socket.remoteAddress === undefined) {
      this.#namedHere.set(socket, address);
      return;
    }
    const key = keyOf(socket);
    this.#named.set(key, address);
    socket.once('close', () => this.#named.delete(key));
  }

  /** The client's address, as far as it is known before a request; undefined for a unix socket. */
  ofConnection(socket: Socket): string | undefined {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return this.#namedHere.get(socket);
    return this.#named.get(keyOf(socket)) ?? plainAddress(remoteAddress);
  }

  /** The address that sent the request: the last one of `X-Forwarded-For` that is not a trusted proxy; empty for a unix socket. */
  ofRequest({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    let address = this.ofConnection(socket);
    const hops = String(headers['x-forwarded-for'] ?? '').split(',');
    while (hops.length > 0 && this.has(address)) {
      const hop = hopAddress(hops.pop()?.trim() ?? '');
      // An address that a proxy does not forward is lost.
      if (hop === undefined) break;
      address = hop;
    }
    return address ?? '';
  }

  /** Whether a trusted proxy says that it received the request over TLS. */
  saysTls({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): boolean {
    const [first = ''] = String(headers['x-forwarded-proto'] ?? '').split(',');
    return this.has(socket.remoteAddress) && first.trim().toLowerCase() === 'https';
  }
}

/** A key that is the same for a TCP socket and the TLS socket over it. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Converts an IPv4-mapped IPv6 address to IPv4. */
const plainAddress = (address: string): string =>
  /^::ffff:([0-9.]+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, '');

/** `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; some proxies write the port too. */
function hopAddress(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::[0-9]+)?$/.exec(text)?.[1] ?? text;
  const address = isIP(bare) ? bare : bare.replace(/:[0-9]+$/, '');
  return isIP(address) ? plainAddress(address) : undefined;
}
