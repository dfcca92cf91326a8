// The connection that bin/early.js has opened while the program was loaded.
import type { Socket } from 'node:net';

export interface EarlySocket {
  /** Of the unix socket that it is connected to. */
  readonly path: string;
  readonly socket: Socket;
}

let offered: EarlySocket | undefined;

export function offerEarlySocket(early: EarlySocket | undefined): void {
  offered = early;
}

/** The connection to that path, once; undefined when there is none, or it has failed. */
export function takeEarlySocket(path: string): Socket | undefined {
  if (offered?.path !== path) return undefined;
  const { socket } = offered;
  offered = undefined;
  return socket.destroyed || socket.readableEnded ? undefined : socket.ref();
}
