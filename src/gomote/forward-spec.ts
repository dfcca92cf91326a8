// Parses what to forward: 8080, 8080:3000, 5432:db:5432, unix:/tmp/here:unix:/tmp/there.
import { GomoteError } from '../errors.ts';
import { parseTarget, type SocketTarget } from '../protocol/forward.ts';
import { checkText } from './arguments.ts';

/** Two sockets: connections to one are forwarded to the other. */
interface ForwardSpec {
  readonly from: SocketTarget;
  readonly to: SocketTarget;
}

/**
 * Reads `[FROM:]TO`, each `PORT`, `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. Port 0 takes any that is free. Throws ERR_USAGE.
 *
 * @param address Where ports without a host are taken. Default `127.0.0.1`.
 */
export function parseForward(text: string, address = '127.0.0.1'): ForwardSpec {
  checkText('what is forwarded', text);
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    const from = end(text.slice(0, at), address);
    const to = end(text.slice(at + 1), 'localhost');
    if (from !== undefined && to !== undefined && isPort(to)) return { from, to };
  }
  const to = end(text, 'localhost');
  if (to?.kind === 'tcp' && to.port > 0) {
    return { from: { kind: 'tcp', host: address, port: to.port }, to };
  }
  throw new GomoteError('ERR_USAGE', `"${text}" does not say what to forward`, {
    hint: 'give PORT, FROM:TO, or FROM:HOST:PORT; either end can be unix:PATH',
  });
}

/** Reads one end, `PORT`, `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`, as something to connect to. Throws ERR_USAGE. */
export function parseSocket(text: string): SocketTarget {
  const target = end(text, 'localhost');
  if (target !== undefined && isPort(target)) return target;
  throw new GomoteError('ERR_USAGE', `"${text}" is nothing to connect to`, {
    hint: 'give PORT, HOST:PORT or unix:PATH',
  });
}

const isPort = (target: SocketTarget): boolean => target.kind === 'unix' || target.port > 0;

function end(text: string, host: string): SocketTarget | undefined {
  if (text.startsWith('unix:')) return parseTarget(text);
  // A number alone is a port, not a host name.
  if (/^[0-9]+$/.test(text)) return parseTarget(`tcp:${bracketed(host)}:${text}`);
  return /^[0-9]+:/.test(text) ? undefined : parseTarget(`tcp:${text}`);
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
