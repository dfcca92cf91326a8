// The proxy from the environment variables, read as other programs read them.
import { BlockList, isIP } from 'node:net';
import { GomoteError } from '../../errors.ts';
import { addNetwork, isListed } from '../networks.ts';
import { withoutBrackets } from './server-address.ts';

/** The proxy for an origin: HTTPS_PROXY, unless NO_PROXY contains its host. */
export function proxyOf(origin: string, environment: NodeJS.ProcessEnv): string | undefined {
  const { protocol, hostname, port } = new URL(origin);
  const [name = '', proxy] =
    ['HTTPS_PROXY', 'https_proxy']
      .map((key) => [key, environment[key]?.trim()] as const)
      .find(([, value]) => value) ?? [];
  if (protocol !== 'https:' || proxy === undefined) return undefined;
  const spared = (environment.NO_PROXY || environment.no_proxy || '').split(/[\s,]+/);
  const host = withoutBrackets(hostname);
  if (spared.some((element) => matches(element, host, port || '443'))) return undefined;
  return proxyUrl(name, proxy);
}

/**
 * The proxy as a URL. Special characters in its user name and password are taken literally, because people write
 * passwords unescaped.
 */
function proxyUrl(variable: string, text: string): string {
  const [, scheme = 'http://', login, rest = ''] =
    /^(https?:\/\/)?(?:(.*)@)?([^@/?#\s]+)\/?$/is.exec(text) ?? [];
  const [user = '', ...password] = login?.split(':') ?? [];
  const parts = [user, ...(password.length > 0 ? [password.join(':')] : [])].map(escaped);
  const url = `${scheme}${login === undefined ? '' : `${parts.join(':')}@`}${rest}`;
  const isOther = /^(?!https?:)[a-z0-9+.-]+:\/\//i.test(text);
  if (rest !== '' && !isOther && URL.canParse(url)) return url;
  // Everything before the last @ may be a password.
  const shown = text.includes('@') ? `…${text.slice(text.lastIndexOf('@'))}` : text;
  throw new GomoteError('ERR_CONFIG', `${variable} "${shown}" is not a proxy`, {
    hint: 'give http://HOST:PORT',
  });
}

/** Percent-encodes a part of a login; what is already encoded stays. */
const escaped = (part: string): string =>
  part
    .replaceAll(/%(?![0-9a-f]{2})/gi, '%25')
    .replaceAll(/[^\w\-.~!$&'()*+,;=%]/gu, (character) => encodeURIComponent(character));

/**
 * An element of NO_PROXY: `*`, a host, or the end of one after a dot, each with or without a port; an address, or a
 * range of them such as 10.0.0.0/8.
 */
function matches(element: string, host: string, port: string): boolean {
  if (element === '*') return true;
  if (element.includes('/') || isIP(withoutBrackets(element)) === 6) return isIn(element, host);
  const [, name = '', onlyPort] = /^\*?(.*?)(?::([0-9]+))?$/.exec(element.toLowerCase()) ?? [];
  if (name === '' || (onlyPort !== undefined && onlyPort !== port)) return false;
  if (isIP(withoutBrackets(name)) !== 0) return isIn(name, host);
  const suffix = name.startsWith('.') ? name : `.${name}`;
  return host === name || host.endsWith(suffix);
}

function isIn(network: string, host: string): boolean {
  const list = new BlockList();
  return addNetwork(list, withoutBrackets(network)) && isListed(list, host);
}
