// Which proxy the environment names, as other programs read it.
import { GomoteError } from '../../errors.ts';

/** The proxy that the environment names for an origin: HTTPS_PROXY, unless NO_PROXY has its host. */
export function proxyOf(origin: string, environment: NodeJS.ProcessEnv): string | undefined {
  const { protocol, hostname, port } = new URL(origin);
  const proxy = environment.HTTPS_PROXY || environment.https_proxy;
  if (protocol !== 'https:' || !proxy) return undefined;
  const spared = (environment.NO_PROXY || environment.no_proxy || '').split(',');
  const isSpared = spared.some((text) => matches(text.trim(), hostname, port || '443'));
  if (isSpared) return undefined;
  const url = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new GomoteError('ERR_CONFIG', `HTTPS_PROXY "${proxy}" is no proxy`, {
    hint: 'give http://HOST:PORT',
  });
}

/** An element of NO_PROXY: `*`, a host, or the end of one after a dot, each with or without a port. */
function matches(element: string, hostname: string, port: string): boolean {
  if (element === '*') return true;
  const [, host = '', onlyPort] = /^\*?(.*?)(?::([0-9]+))?$/.exec(element.toLowerCase()) ?? [];
  if (host === '' || (onlyPort !== undefined && onlyPort !== port)) return false;
  const suffix = host.startsWith('.') ? host : `.${host}`;
  return hostname === host || hostname.endsWith(suffix);
}
