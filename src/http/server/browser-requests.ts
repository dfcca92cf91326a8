// Refuses requests that a browser sends for another site's page.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Whether the browser says that another site caused the request. */
const isCrossSite = ({ headers }: IncomingMessage): boolean => {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
};

/**
 * Why a request that a web page may have sent is refused; undefined when it may be served. No client of this
 * protocol is a web page: none sends `Origin`.
 *
 * `Host` is checked only by a TCP server without a password. A page whose name is pointed at this address (DNS rebinding)
 * shows there by its own name, while an address, `localhost` and the machine's own name cannot be taken over. A server
 * with a password accepts any name, since a page cannot know the password: proxies, balancers and forwarded ports
 * have names of their own. A browser cannot reach a unix socket.
 */
export function browserRefusal(
  request: IncomingMessage,
  { hasPassword }: { readonly hasPassword: boolean },
): string | undefined {
  const { origin, host } = request.headers;
  if (origin !== undefined || isCrossSite(request)) return 'requests of web pages are refused';
  if (hasPassword || request.socket.remoteAddress === undefined || isOwnName(host))
    return undefined;
  return `this server has no password and is not called ${JSON.stringify(host)}: call it by its address`;
}

/** Whether `Host` is a name that nobody else can point at this machine. */
function isOwnName(host: string | undefined): boolean {
  if (host === undefined || host === '') return true;
  const name = /^(\[[^\]]*\]|[^:]*)(?::[0-9]*)?$/.exec(host)?.[1]?.toLowerCase() ?? '';
  const plain = name.startsWith('[') ? name.slice(1, -1) : name.replace(/\.$/, '');
  return isIP(plain) > 0 || plain === 'localhost' || plain === hostname().toLowerCase();
}
