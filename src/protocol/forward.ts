// Ports and sockets of a machine, reached over one connection: `GET /forward`, upgraded to frames (frames.ts).
//
// Without `listen`, the client opens streams: the payload of `open` is the target. The buildlet answers each with `opened`, or
// with `reset` and the reason. With `listen`, the buildlet listens there and opens a stream for each connection.

/** The protocol upgraded to. */
export const forwardUpgrade = 'gomote-forward';

/** The parameter with the address that the buildlet is to listen at. */
export const listenParameter = 'listen';

/** The header of the reply 101 with the address that the buildlet listens at. */
export const listeningHeader = 'Gomote-Listening';

/** The header of the reply 101 that says what the buildlet's sockets reach: a client with equal text may connect itself. */
export const reachHeader = 'Gomote-Reach';

/** The maximum number of ports of commands in a reply. */
export const portLimit = 100;

/** Where a socket listens. */
export type SocketTarget =
  | {
      /** A TCP socket. */
      readonly kind: 'tcp';
      /** A name or an address of the machine. */
      readonly host: string;
      /** 0: any free port, to listen at. */
      readonly port: number;
    }
  | {
      /** A unix socket. */
      readonly kind: 'unix';
      /** At most 107 bytes. */
      readonly path: string;
    };

/** The longest path of a unix socket, in bytes: the system's own limit. */
const pathLimitBytes = 107;

const hostPattern = /^[A-Za-z0-9_.:%-]{1,253}$/;

/** As `tcp:HOST:PORT`, an IPv6 address in brackets, or `unix:PATH`. */
export function formatTarget(target: SocketTarget): string {
  if (target.kind === 'unix') return `unix:${target.path}`;
  const { host, port } = target;
  return `tcp:${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Undefined when the text is not an address. Port 0 means any free port. */
export function parseTarget(text: string): SocketTarget | undefined {
  if (text.startsWith('unix:')) return unixTarget(text.slice('unix:'.length));
  const [, bracketed, name, digits = ''] =
    /^tcp:(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? name ?? '';
  const port = Number(digits);
  return hostPattern.test(host) && port < 65_536 ? { kind: 'tcp', host, port } : undefined;
}

function unixTarget(path: string): SocketTarget | undefined {
  const isPath = path !== '' && !path.includes('\0') && Buffer.byteLength(path) <= pathLimitBytes;
  return isPath ? { kind: 'unix', path } : undefined;
}
