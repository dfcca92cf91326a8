// The paths, headers, parameters and versions of the buildlet and coordinator protocol, each written once.
import {
  fileFeature,
  forwardFeature,
  holdFeature,
  lateTrailerFeature,
  sessionFeature,
  storeFeature,
  syncFeature,
} from './features.ts';

/** The methods a buildlet endpoint accepts. */
export type Method = 'GET' | 'PUT' | 'POST';

export interface Endpoint {
  readonly path: string;
  readonly methods: readonly Method[];
  /** The reply (status 400) to any other method. */
  readonly wrongMethod: string;
  /** Whether it answers without a password. */
  readonly open?: boolean;
  /** The extension it belongs to; absent: the base protocol. */
  readonly feature?: string | undefined;
}

const endpoint = (
  path: string,
  methods: Method | readonly Method[],
  feature?: string,
): Endpoint => {
  const all = [methods].flat();
  return { path, methods: all, wrongMethod: `requires ${all.join(' or ')} method`, feature };
};

/** Every endpoint of a buildlet. The texts are those of a Go buildlet, version 11. */
export const endpoints = {
  liveness: { ...endpoint('/', 'GET'), open: true },
  status: endpoint('/status', 'GET'),
  workDir: endpoint('/workdir', 'GET'),
  list: endpoint('/ls', 'GET'),
  getTar: endpoint('/tgz', 'GET'),
  // The text names the wrong method: so does the Go buildlet's.
  write: { ...endpoint('/write', 'PUT'), wrongMethod: 'requires POST method' },
  putTar: endpoint('/writetgz', ['PUT', 'POST']),
  file: endpoint('/file', ['GET', 'PUT'], fileFeature),
  trailer: endpoint('/trailer', 'GET', lateTrailerFeature),
  exec: endpoint('/exec', 'POST'),
  removeAll: endpoint('/removeall', 'POST'),
  treeState: endpoint('/sync/state', 'GET', syncFeature),
  treeManifest: endpoint('/sync/manifest', 'GET', syncFeature),
  treeDifferences: endpoint('/sync/differences', 'GET', syncFeature),
  treeChunks: endpoint('/sync/chunks', 'GET', syncFeature),
  treeApply: endpoint('/sync/apply', 'PUT', syncFeature),
  treeRead: endpoint('/sync/read', 'POST', syncFeature),
  treeStored: endpoint('/sync/stored', 'POST', storeFeature),
  treeReach: endpoint('/sync/reach', 'GET', storeFeature),
  treePrepare: endpoint('/sync/prepare', 'POST', storeFeature),
  halt: endpoint('/halt', 'POST'),
  session: endpoint('/session', ['GET', 'POST'], sessionFeature),
  sessions: endpoint('/sessions', 'GET', sessionFeature),
  sessionInput: endpoint('/session/stdin', 'POST', sessionFeature),
  sessionSignal: endpoint('/session/signal', 'POST', sessionFeature),
  sessionResize: endpoint('/session/resize', 'POST', sessionFeature),
  sessionPing: endpoint('/session/ping', 'POST', sessionFeature),
  sessionDetach: endpoint('/session/detach', 'POST', sessionFeature),
  hold: endpoint('/hold', 'POST', holdFeature),
  forward: endpoint('/forward', 'GET', forwardFeature),
  forwardPorts: endpoint('/forward/ports', 'GET', forwardFeature),
  reset: endpoint('/reset', 'POST', 'reset'),
} as const satisfies Record<string, Endpoint>;

/** The endpoints of a coordinator itself; any other request is relayed to the buildlet named in `proxyHeader`. */
export const coordinatorPaths = {
  create: '/buildlet/create',
  list: '/buildlet/list',
  /** The catalogue. An extension. */
  types: '/buildlet/types',
  /** More time for a buildlet. An extension. */
  extend: '/buildlet/extend',
  /** The machines of all pools, for admins. Extensions. */
  machines: '/machine/list',
  drain: '/machine/drain',
  undrain: '/machine/undrain',
  /** Snapshots of work directories. Extensions. */
  snapshotList: '/snapshot/list',
  snapshotCreate: '/snapshot/create',
  snapshotRestore: '/snapshot/restore',
  snapshotShare: '/snapshot/share',
  snapshotRemove: '/snapshot/remove',
  /** Signing in without a token, where a provider is configured. An extension. */
  device: '/login/device',
  health: '/healthz',
  ready: '/readyz',
  metrics: '/metrics',
} as const;

/** A coordinator's reply for an unknown or former name. */
export const unknownBuildletText = 'unknown or expired buildlet';

/** Its reply for an unknown builder type. */
export const unknownTypeText = "unknown builder type in 'builderType' parameter";

/** Its reply for a buildlet whose machine died. */
export const deadBuildletText = (name: string, reason: string): string =>
  `the buildlet "${name}" is dead: ${reason}`;

/** Names the buildlet that a coordinator relays the request to. */
export const proxyHeader = 'X-Buildlet-Proxy';

/** The trailer of `/exec`: how the command ended. */
export const processStateTrailer = 'Process-State';

/** A request header: the id by which its trailer can be requested later, because proxies drop trailers and HTTP/1.0 has none. */
export const replyIdHeader = 'Gomote-Reply-Id';

export const isReplyId = (text: string): boolean => /^[A-Za-z0-9_-]{12,64}$/.test(text);

/** A reply header: the trailer that can be requested at `/trailer` after the reply. */
export const lateTrailerHeader = 'Gomote-Late-Trailer';

/** The parameters of `/hold`, and the longest that a buildlet outlives the client that holds it, in ms. */
export const holdParameters = { graceMs: 'graceMs', release: 'release' } as const;
export const longestGraceMs = 24 * 3_600_000;

/** A header of the reply to `GET /`: when the buildlet ends by itself, in RFC 3339. An extension. */
export const expiresHeader = 'Gomote-Expires';

/** What `/status` reports. A coordinator refuses a buildlet below 1; 11 is the version of July 2017. */
export const buildletVersion = 11;

/** The `version` that a client sends to `/buildlet/create`. */
export const gomoteVersion = '20160922';

/** The Basic user name of a client that talks to a buildlet; the buildlet ignores it. */
export const defaultAuthUser = 'gomote';

/** The Basic user name of a person at a coordinator. */
export const coordinatorAuthUser = (user: string): string => `user-${user}`;

export const contentTypes = {
  text: 'text/plain; charset=utf-8',
  json: 'application/json; charset=utf-8',
  jsonLines: 'application/x-ndjson; charset=utf-8',
  gzip: 'application/x-gzip',
  zstd: 'application/zstd',
  binary: 'application/octet-stream',
  form: 'application/x-www-form-urlencoded',
  tree: 'application/x-gomote-tree',
} as const;

/** The body of `GET /`. */
export const livenessText = (os: string, arch: string): string =>
  `buildlet running on ${os}-${arch}\n`;

/** Go's names of Node's `process.platform` and `process.arch`. */
export function goPlatform(platform: string, arch: string): { os: string; arch: string } {
  const oses: Record<string, string> = { win32: 'windows', sunos: 'solaris' };
  const arches: Record<string, string> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
  return { os: oses[platform] ?? platform, arch: arches[arch] ?? arch };
}
