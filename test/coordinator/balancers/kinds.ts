// The balancers of a team in front of a coordinator: with their defaults, and as the documentation has them.
import { expect } from 'vitest';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import { fingerprintOf } from '../../../src/http/client/pin.ts';
import {
  documented,
  hasCaddy,
  hasHaproxy,
  hasNginx,
  startCaddy,
  startHaproxy,
  startNginx,
  writeCertificate,
} from '../../helpers/balancer.ts';
import type { Cli } from '../../helpers/cli.ts';
import { type TestCoordinator, tokenOf } from '../../helpers/coordinator.ts';

/** Shorter than a silence of the commands below: a balancer that waits an hour would hold up the test. */
const shortTimeout = '2s';

const pair = await newKeyPair();
const ownFingerprint = `sha256:${fingerprintOf(pair.certPem)}`;

export interface Kind {
  readonly title: string;
  readonly isThere: boolean;
  /** Whether it waits no longer than a silence of a few seconds. */
  readonly isImpatient?: boolean;
  readonly toml: string;
  /** Starts it in front of the coordinator; the URL that clients use. */
  readonly start: (coordinator: TestCoordinator) => Promise<string>;
}

export const upstreamOf = ({ url }: TestCoordinator): string => new URL(url).host;
export const behindPlain = 'tls = "off"\ntrusted-proxies = ["127.0.0.1"]';
const behindTcp = 'trusted-proxies = ["127.0.0.1"]\nproxy-protocol = true';

export const nginxServer = (upstream: string, more = '') => `
server {
  listen 127.0.0.1:PORT;
  location / { proxy_pass http://${upstream}; ${more} }
}`;

const allKinds: Kind[] = [
  {
    title: 'nginx with its defaults, but for bodies of any size',
    isThere: hasNginx,
    toml: behindPlain,
    start: async (coordinator) => {
      const config = nginxServer(upstreamOf(coordinator));
      const { port } = await startNginx({ config, lines: 'client_max_body_size 0;' });
      return `http://127.0.0.1:${port}`;
    },
  },
  {
    title: 'nginx with short timeouts',
    isImpatient: true,
    isThere: hasNginx,
    toml: behindPlain,
    start: async (coordinator) => {
      const more = `proxy_http_version 1.1; proxy_read_timeout ${shortTimeout}; proxy_send_timeout ${shortTimeout};`;
      const config = nginxServer(upstreamOf(coordinator), more);
      const { port } = await startNginx({ config, lines: 'client_max_body_size 0;' });
      return `http://127.0.0.1:${port}`;
    },
  },
  {
    title: 'nginx as documented',
    isThere: hasNginx,
    toml: behindPlain,
    start: async (coordinator) => {
      const config = documented('nginx.conf')
        .replace('listen 443', 'listen 127.0.0.1:PORT')
        .replace('127.0.0.1:8443', upstreamOf(coordinator))
        .replace('/etc/ssl/gomote/cert.pem', writeCertificate(pair).cert)
        .replace('/etc/ssl/gomote/key.pem', writeCertificate(pair).key);
      return `https://127.0.0.1:${(await startNginx({ config })).port}`;
    },
  },
  {
    title: 'haproxy in mode http as documented',
    isThere: hasHaproxy,
    toml: behindPlain,
    start: async (coordinator) => {
      const config = documented('haproxy-http.cfg')
        .replace('bind :443', 'bind 127.0.0.1:PORT')
        .replace('127.0.0.1:8443', upstreamOf(coordinator))
        .replace('/etc/haproxy/gomote.pem', writeCertificate(pair).both);
      return `https://127.0.0.1:${(await startHaproxy(config)).port}`;
    },
  },
  {
    title: 'haproxy in mode http with short timeouts',
    isImpatient: true,
    isThere: hasHaproxy,
    toml: behindPlain,
    start: async (coordinator) => {
      const config = documented('haproxy-http.cfg')
        .replace('bind :443', 'bind 127.0.0.1:PORT')
        .replace('127.0.0.1:8443', upstreamOf(coordinator))
        .replace('/etc/haproxy/gomote.pem', writeCertificate(pair).both)
        .replaceAll(/(timeout (?:client|server)) 1h/g, `$1 ${shortTimeout}`);
      return `https://127.0.0.1:${(await startHaproxy(config)).port}`;
    },
  },
  {
    title: 'Caddy as documented',
    isThere: hasCaddy,
    toml: behindPlain,
    start: async (coordinator) => {
      const { cert, key } = writeCertificate(pair);
      const config = documented('Caddyfile')
        .replace('gomote.example.com {', `https://127.0.0.1:PORT {\n\ttls ${cert} ${key}`)
        .replace('127.0.0.1:8443', upstreamOf(coordinator));
      return `https://127.0.0.1:${(await startCaddy(config)).port}`;
    },
  },
  ...['send-proxy-v2', 'send-proxy'].map((version) => ({
    title: `haproxy in mode tcp as documented, with ${version}`,
    isThere: hasHaproxy,
    toml: behindTcp,
    start: async (coordinator: TestCoordinator) => {
      const config = documented('haproxy-tcp.cfg')
        .replace('bind :443', 'bind 127.0.0.1:PORT')
        .replace('127.0.0.1:8443', upstreamOf(coordinator))
        .replace('send-proxy-v2', version);
      return `https://127.0.0.1:${(await startHaproxy(config)).port}`;
    },
  })),
];

export const kinds = allKinds.filter(({ isThere }) => isThere);

/** Of the certificate that clients see: the balancer's, or the coordinator's own. */
export const fingerprintBehind = ({ fingerprint }: TestCoordinator): string =>
  fingerprint || ownFingerprint;

/** Logs in to a coordinator by the URL of what stands before it. */
export async function login(cli: Cli, url: string, coordinator: TestCoordinator) {
  const pinned = url.startsWith('https:') ? ['--fingerprint', fingerprintBehind(coordinator)] : [];
  const stdin = [`${tokenOf('me')}\n`];
  expect(await cli(['login', url, ...pinned], { stdin })).toMatchObject({ code: 0 });
}
