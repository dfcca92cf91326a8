// Parses addresses of buildlets: HOST:PORT, unix:PATH or a URL.
import { GomoteError } from '../errors.ts';
import type { ServerAddress } from '../http/client/server-address.ts';

/**
 * Parses an address. HOST:PORT is plain HTTP, or HTTPS when `secure`; a URL has its own scheme. Throws ERR_USAGE.
 */
export function parseAddress(text: string, secure: boolean): ServerAddress {
  if (/^unix:./.test(text)) {
    return { kind: 'unix', path: text.slice('unix:'.length) };
  }
  const url = parseUrl(text.includes('://') ? text : `${secure ? 'https' : 'http'}://${text}`);

  const plain =
    text !== 'unix:' &&
    url !== undefined &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '';
  if (!plain || url.hostname === '' || url.username !== '' || url.password !== '') {
    throw new GomoteError('ERR_USAGE', `bad buildlet address "${text}"`, {
      hint: 'give HOST:PORT, unix:PATH or https://HOST',
    });
  }
  return { kind: 'tcp', origin: url.origin };
}

function parseUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && ['http:', 'https:'].includes(url.protocol) ? url : undefined;
}

/** The address as HOST:PORT, with the default port if it has none, or unix:PATH. */
export function hostPort(address: ServerAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  if (address.kind === 'dial') return address.label;
  const url = new URL(address.origin);
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

/** The address as a URL, without the default port. */
export function urlOf(address: ServerAddress): string {
  if (address.kind === 'unix') return `http+unix://${address.path}`;
  return address.kind === 'dial' ? address.label : address.origin;
}
