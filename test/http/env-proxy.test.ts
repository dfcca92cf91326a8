// The proxy that the environment names.
import { describe, expect, it } from 'vitest';
import { proxyOf } from '../../src/http/client/env-proxy.ts';

const login = (url: string | undefined) => {
  const { username, password, host } = new URL(url ?? '');
  return [username, password].map(decodeURIComponent).concat(host);
};

describe('the login in HTTPS_PROXY', () => {
  it.each([
    ['http://u:100%@p:1', ['u', '100%', 'p:1']],
    ['http://u:50%25@p:1', ['u', '50%', 'p:1']],
    ['http://u:a%2', ['', '', 'u:a%2']],
    ['http://u:a#b@p:1', ['u', 'a#b', 'p:1']],
    ['http://u:a@b@p:1', ['u', 'a@b', 'p:1']],
    ['http://u:a/b?c@p:1/', ['u', 'a/b?c', 'p:1']],
    ['u:a:b@p:1', ['u', 'a:b', 'p:1']],
    ['https://me@p', ['me', '', 'p']],
    ['http://u:pässwört 1@p:1', ['u', 'pässwört 1', 'p:1']],
  ])('is read as intended: %s', (proxy, expected) => {
    const read = () => proxyOf('https://h', { HTTPS_PROXY: proxy });
    if (expected[0] === '') expect(read).toThrow('is not a proxy');
    else expect(login(read())).toEqual(expected);
  });

  it.each([
    'http://u:secret#x@',
    'socks5://u:secret@p:1',
    'http://u:secret@p:x',
    'ftp://u:secret@p',
  ])('is an error without the password: %s', (proxy) => {
    let message = '';
    try {
      proxyOf('https://h', { https_proxy: proxy });
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('https_proxy');
    expect(message).not.toContain('secret');
  });
});

describe('NO_PROXY', () => {
  it.each([
    ['10.0.0.0/8', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.0.0.0/33', 'https://10.1.2.3', false],
    ['10.0.0.0/', 'https://10.1.2.3', false],
    ['fd00::/8', 'https://[fd12::1]', true],
    ['fd00::/8', 'https://10.1.2.3', false],
    ['a b', 'https://b', true],
    ['a,  b ', 'https://b', true],
    ['::1', 'https://[::1]', true],
    ['[::1]', 'https://[::1]:8443', true],
    ['[::1]:8443', 'https://[::1]:8443', true],
    ['[::1]:8443', 'https://[::1]', false],
    ['0:0:0:0:0:0:0:1', 'https://[::1]', true],
    ['127.0.0.1', 'https://127.0.0.1', true],
    ['127.0.0.1:1', 'https://127.0.0.1', false],
    ['.h.org', 'https://h.org', false],
    ['*.h.org', 'https://a.h.org', true],
    ['H.ORG', 'https://a.h.org', true],
    ['', 'https://h', false],
    [' , ', 'https://h', false],
  ])('%j excludes the proxy for %s: %s', (spared, origin, isSpared) => {
    const proxy = proxyOf(origin, { HTTPS_PROXY: 'http://p:1', NO_PROXY: spared });
    expect(proxy === undefined).toBe(isSpared);
  });
});
