// Requests that turn their connection into a byte stream of another protocol.
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isNotSilent } from './silent-connections.ts';

/** The connection of a request with `Upgrade`. */
export interface UpgradableSocket {
  readonly socket: Duplex;
  /** What came after the request's head. */
  readonly head: Buffer;
}

/**
 * Handles upgrade requests like all others. One that is answered without an upgrade gets its reply, and its
 * connection closed.
 */
export function onUpgrade(
  server: Server,
  serve: (request: IncomingMessage, response: ServerResponse, upgrade: UpgradableSocket) => void,
): void {
  server.on('upgrade', (request, socket, head) => {
    isNotSilent(server, socket);
    socket.on('error', () => undefined);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // A multiplexed stream behaves like a socket here.
    response.assignSocket(socket as Socket);
    response.once('finish', () => socket.end(() => socket.destroy()));
    serve(request, response, { socket, head });
  });
}

/** Status 426: the path requires an upgrade. */
export const noUpgradeText =
  'this is not a request to upgrade: a proxy on the way must pass the headers Upgrade and Connection, by HTTP/1.1';

/** Sends status 101: the connection now speaks that protocol. */
export function acceptUpgrade(
  response: ServerResponse,
  protocol: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(101, { Connection: 'Upgrade', Upgrade: protocol, ...headers });
  response.flushHeaders();
}
