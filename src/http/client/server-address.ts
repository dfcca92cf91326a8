// The address of a server, and how to reach it.
import type { Duplex } from 'node:stream';

/** How a server is reached: over a unix socket, over TCP with or without TLS, or by a stream of the caller's own. */
export type ServerAddress =
  | {
      /** Over a unix socket. */
      readonly kind: 'unix';
      /** The path of the socket. */
      readonly path: string;
    }
  | {
      /** Over TCP. */
      readonly kind: 'tcp';
      /** Scheme, host and port: `https://HOST:PORT` for TLS, else `http://HOST:PORT`. */
      readonly origin: string;
      /** Accept the server that has the key of this certificate (PEM), and no other. */
      readonly pinnedCert?: string | undefined;
      /** Accept the server that has exactly the certificate of this SHA-256 (hex), and no other. */
      readonly fingerprint?: string | undefined;
      /** Accept the servers of these authorities (PEM) in place of the system's. */
      readonly caPem?: string | undefined;
      /** An HTTP proxy's URL, to reach an https origin through. */
      readonly proxy?: string | undefined;
    }
  | {
      /** By a function, for example over a stream of another connection. */
      readonly kind: 'dial';
      /** The server's name in messages. */
      readonly label: string;
      /** Opens a new byte stream to the server. The caller destroys it. */
      readonly dial: (signal?: AbortSignal) => Promise<Duplex>;
    };

/** The host of a URL as sockets take it. */
export const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** The origin for requests to the address. */
export const originOf = (address: ServerAddress): string =>
  address.kind === 'tcp' ? address.origin : 'http://buildlet';
