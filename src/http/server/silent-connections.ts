// Connections that have brought no request yet. Node takes them for busy ones when a server closes.
import type { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** By the server: since when each is open, as `performance.now()` tells. */
const silent = new WeakMap<EventEmitter, Map<Duplex, number>>();

/** @param event What announces a connection that requests can come over. */
export function watchSilent(server: Server, event: 'connection' | 'secureConnection'): void {
  const since = new Map<Duplex, number>();
  silent.set(server, since);
  server.on(event, (socket: Duplex) => {
    since.set(socket, performance.now());
    socket.once('close', () => since.delete(socket));
  });
  server.on('request', ({ socket }) => since.delete(socket));
}

/** For an upgraded connection, which brings no event `request`. */
export function isNotSilent(server: Server, socket: Duplex): void {
  silent.get(server)?.delete(socket);
}

/** Closes those that have been silent for so long: a request may be on its way over others. */
export function closeSilent(server: Server, forMs: number): void {
  for (const [socket, sinceMs] of silent.get(server) ?? []) {
    if (performance.now() - sinceMs >= forMs) socket.destroy();
  }
}
