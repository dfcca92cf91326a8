// Limits connections before authentication: their number and their age, without cost to others.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { TrustedProxies } from './trusted-proxies.ts';

export interface ConnectionLimits {
  /** The maximum number of unauthenticated connections of one address. */
  readonly perAddress: number;
  /** The maximum number of unauthenticated connections. */
  readonly total: number;
  /** The maximum number of connections, including authenticated ones. */
  readonly connections: number;
  /** The time limit for a complete request, in ms. */
  readonly timeoutMs: number;
}

/** A part of the file descriptor limit: the rest is for machines, files and commands. */
function defaultLimits(): ConnectionLimits {
  const descriptors = descriptorLimit();
  const share = (part: number, most: number) =>
    Math.floor(Math.max(8, Math.min(most, descriptors * part)));
  return {
    perAddress: share(0.25, 2_048),
    total: share(0.4, 8_192),
    connections: share(0.6, 65_536),
    timeoutMs: 10_000,
  };
}

function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files\s+([0-9]+)/m.exec(limits)?.[1];
    if (soft !== undefined) return Number(soft);
  } catch {
    // A system without /proc: use a common limit.
  }
  return 1_024;
}

interface UnauthenticatedConnection {
  readonly socket: Socket;
  /** The key by which addresses are counted. */
  readonly address: string;
}

/**
 * Limits the unauthenticated connections of a server. When there are too many, the oldest is cut, first among those of the
 * same address: connections that are only held open are lost, and a client that authenticates at once gets through.
 */
export class UnauthenticatedConnections {
  readonly #limits: ConnectionLimits;
  readonly #proxies: TrustedProxies;
  /** The oldest first. By address and port: over TLS a request has another socket than the connection. */
  readonly #unauthenticated = new Map<string, UnauthenticatedConnection>();
  readonly #byAddress = new Map<string, Set<string>>();
  readonly #trusted = new WeakSet<object>();
  #connections = 0;

  constructor(limits: ConnectionLimits = defaultLimits(), proxies = new TrustedProxies()) {
    this.#limits = limits;
    this.#proxies = proxies;
  }

  watch(server: Server): void {
    server.on('connection', (socket: unknown) => {
      if (socket instanceof Socket) this.#admit(socket);
    });
  }

  /** Call when a request begins. Unless its client is authenticated, it must be complete within the time limit. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#trusted.has(socket)) return;
    const timer = setTimeout(() => {
      if (!this.#trusted.has(socket)) socket.destroy();
    }, this.#limits.timeoutMs).unref();
    const over = () => {
      if (request.complete && response.closed) clearTimeout(timer);
    };
    request.once('close', over);
    response.once('close', over);
  }

  /** Call when the client has authenticated: its connection is no longer limited. */
  trust({ socket }: IncomingMessage): void {
    this.#trusted.add(socket);
    this.#forget(keyOf(socket));
  }

  #admit(socket: Socket): void {
    const key = keyOf(socket);
    // All clients of a unix socket count as one address.
    if (key === undefined) return;
    const from = this.#proxies.ofConnection(socket);
    const address = groupOf(from ?? '');
    this.#connections++;
    this.#unauthenticated.set(key, { socket, address });
    const same = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, same.add(key));
    socket.once('close', () => {
      this.#connections--;
      if (this.#unauthenticated.get(key)?.socket === socket) this.#forget(key);
    });
    const { perAddress, total, connections } = this.#limits;
    // A proxy holds connections for many clients.
    const isOver = same.size > perAddress && !this.#proxies.has(from);
    if (isOver) this.#cut(same.keys().next().value);
    else if (this.#unauthenticated.size > total || this.#connections > connections) {
      this.#cut(this.#unauthenticated.keys().next().value);
    }
  }

  #cut(key: string | undefined): void {
    const stranger = this.#unauthenticated.get(key ?? '');
    this.#forget(key);
    stranger?.socket.destroy();
  }

  #forget(key: string | undefined): void {
    const stranger = this.#unauthenticated.get(key ?? '');
    if (key === undefined || stranger === undefined) return;
    this.#unauthenticated.delete(key);
    const same = this.#byAddress.get(stranger.address);
    same?.delete(key);
    if (same?.size === 0) this.#byAddress.delete(stranger.address);
  }
}

const keyOf = ({ remoteAddress, remotePort }: Socket): string | undefined =>
  remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;

/** For IPv6, the /64 network, all of whose addresses belong to one owner. */
const groupOf = (address: string): string =>
  address.includes(':') && !address.includes('.')
    ? (address.split('::', 1)[0] ?? '').split(':').slice(0, 4).join(':')
    : address;
