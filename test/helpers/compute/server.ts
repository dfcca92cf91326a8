// The fake Compute API over HTTP: what the real client and the real gcloud talk to.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { FakeApi, type Image, type Instance } from './api.ts';
import { type ApiError, isRefusal, refusal } from './rules.ts';

/** One call and its answer, with the names that the schema has for them. */
export interface Exchange {
  /** Such as `instances.insert`. */
  readonly verb: string;
  readonly zone: string;
  readonly name: string;
  /** Path and query parameters. */
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly authorization: string | undefined;
  readonly atMs: number;
  status: number;
  /** Of a call that succeeded. */
  answer: unknown;
}

/** An answer in place of the API's own. */
export interface Fault {
  readonly status: number;
  readonly reason?: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The call is carried out before its answer is replaced. */
  readonly after?: boolean;
}

export interface FakeCompute {
  readonly api: FakeApi;
  /** The root URL: `http://127.0.0.1:PORT/`. */
  readonly endpoint: string;
  readonly exchanges: readonly Exchange[];
  /** The answer to replace that of the nth call (from 0) of the verb with; `cut` breaks the connection. */
  fault: (verb: string, nth: number) => Fault | 'cut' | 'cut-after' | undefined;
  /** The token that calls need; undefined: any or none. */
  token: string | undefined;
  /** How many machines are in one page at most. */
  pageSize: number;
  count(verb: string): number;
  close(): Promise<void>;
}

/** What lists are of. */
type Listed = Pick<Instance, 'name' | 'zone' | 'labels'>;

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly verb: string;
}

const zonal = '/zones/(?<zone>[^/]+)';
const one = `${zonal}/instances/(?<instance>[^/]+)`;
const operation = `${zonal}/operations/(?<operation>[^/]+)`;
const image = '/global/images/(?<image>[^/]+)';
const route = (method: string, verb: string, path: string): Route => ({
  ...{ method, verb },
  path: new RegExp(`^/compute/v1/projects/(?<project>[^/]+)${path}$`),
});

const routes: readonly Route[] = [
  route('POST', 'instances.insert', `${zonal}/instances`),
  route('GET', 'instances.list', `${zonal}/instances`),
  route('GET', 'instances.aggregatedList', '/aggregated/instances'),
  route('GET', 'instances.get', one),
  route('DELETE', 'instances.delete', one),
  route('POST', 'instances.setLabels', `${one}/setLabels`),
  route('POST', 'instances.setMetadata', `${one}/setMetadata`),
  route('GET', 'instances.getSerialPortOutput', `${one}/serialPort`),
  route('POST', 'instances.detachDisk', `${one}/detachDisk`),
  route('GET', 'disks.aggregatedList', '/aggregated/disks'),
  route('DELETE', 'disks.delete', `${zonal}/disks/(?<disk>[^/]+)`),
  route('GET', 'zoneOperations.get', operation),
  route('POST', 'zoneOperations.wait', `${operation}/wait`),
  route('POST', 'images.insert', '/global/images'),
  route('GET', 'images.get', image),
  route('DELETE', 'images.delete', image),
  route('POST', 'globalOperations.wait', '/global/operations/(?<operation>[^/]+)/wait'),
  route('GET', 'zones.get', zonal),
  route('GET', 'projects.get', ''),
];

export async function startFakeCompute(
  project = 'test-project',
  zones: readonly string[] = ['us-central1-a', 'us-central1-f', 'europe-west1-b'],
): Promise<FakeCompute> {
  const exchanges: Exchange[] = [];
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      reply(response, 500, refusal(500, 'internalError', String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const api = new FakeApi(endpoint, project, zones);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', endpoint);
    const body = await text(request);
    const found = routes.find(
      ({ method, path }) => method === request.method && path.test(pathname),
    );
    const groups = found?.path.exec(pathname)?.groups ?? {};
    const exchange: Exchange = {
      verb: found?.verb ?? `${request.method} ${pathname}`,
      zone: groups.zone ?? '',
      name: groups.instance ?? groups.operation ?? groups.image ?? groups.disk ?? '',
      params: { ...Object.fromEntries(searchParams), ...groups },
      body: body === '' ? undefined : JSON.parse(body),
      authorization: request.headers.authorization,
      atMs: performance.now(),
      status: 0,
      answer: undefined,
    };
    const nth = fake.count(exchange.verb);
    exchanges.push(exchange);
    const fault = fake.fault(exchange.verb, nth);
    if (fault === 'cut') return void request.socket.destroy();
    if (fault === 'cut-after') {
      await answerTo(exchange);
      return void request.socket.destroy();
    }
    if (fault !== undefined) {
      if (fault.after) await answerTo(exchange);
      const { status, reason = 'backendError', message = 'a fault of the test' } = fault;
      exchange.status = status;
      return reply(response, status, refusal(status, reason, message), fault.headers);
    }
    const answer = await answerTo(exchange);
    exchange.status = isRefusal(answer) ? answer.error.code : 200;
    // What is answered is what is said then, not what becomes of it.
    if (exchange.status === 200) exchange.answer = JSON.parse(JSON.stringify(answer));
    reply(response, exchange.status, answer);
  }

  async function answerTo(exchange: Exchange): Promise<object> {
    const { verb, zone, name, params, body } = exchange;
    if (fake.token !== undefined && exchange.authorization !== `Bearer ${fake.token}`) {
      return refusal(401, 'authError', 'Invalid Credentials');
    }
    if (params.project !== project) {
      return refusal(404, 'notFound', `The resource 'projects/${params.project}' was not found`);
    }
    if (zone !== '' && !zones.includes(zone)) {
      return refusal(400, 'invalid', `Invalid value for field 'zone': '${zone}'. Unknown zone.`);
    }
    switch (verb) {
      case 'instances.insert':
        return api.insert(zone, body as Instance, params.requestId);
      case 'instances.get':
        return api.get(zone, name);
      case 'instances.delete':
        return api.delete(zone, name);
      case 'instances.setLabels':
        return api.setLabels(zone, name, body as compute_v1.Schema$InstancesSetLabelsRequest);
      case 'instances.setMetadata':
        return api.setMetadata(zone, name, body as compute_v1.Schema$Metadata);
      case 'instances.getSerialPortOutput':
        return api.serialOutput(zone, name);
      case 'instances.detachDisk':
        return api.detachDisk(zone, name, params.deviceName ?? '');
      case 'disks.aggregatedList':
        return aggregatedDisks(params);
      case 'disks.delete':
        return api.deleteDisk(zone, name);
      case 'instances.list':
        return listOf(params, zone);
      case 'instances.aggregatedList':
        return aggregated(params);
      case 'zoneOperations.get':
        return api.operation(zone, name);
      case 'zoneOperations.wait':
        return await api.wait(zone, name);
      case 'images.insert':
        return api.insertImage(body as Image, params.forceCreate === 'true', `${params.requestId}`);
      case 'images.get':
        return api.image(name);
      case 'images.delete':
        return api.deleteImage(name);
      case 'globalOperations.wait':
        return await api.wait('', name);
      case 'zones.get':
        return { kind: 'compute#zone', name: zone, status: 'UP' } satisfies compute_v1.Schema$Zone;
      case 'projects.get':
        return { kind: 'compute#project', name: project } satisfies compute_v1.Schema$Project;
      default:
        return refusal(404, 'notFound', `${verb}: not part of the fake`);
    }
  }

  function page<T extends Listed>(from: Iterable<T>, params: Exchange['params'], zone?: string) {
    const isMatch = matcher(params.filter ?? '');
    const all = [...from].filter(
      (one) => isMatch(one) && (zone === undefined || one.zone?.endsWith(`/${zone}`)),
    );
    const start = Number(params.pageToken ?? 0);
    const end = start + Math.min(Number(params.maxResults ?? 500), fake.pageSize);
    const more = end < all.length ? { nextPageToken: String(end) } : {};
    return { items: all.slice(start, end), ...more };
  }

  function listOf(params: Exchange['params'], zone: string): compute_v1.Schema$InstanceList {
    return {
      kind: 'compute#instanceList',
      id: `projects/${project}`,
      ...page(api.instances, params, zone),
    };
  }

  function aggregated(params: Exchange['params']): compute_v1.Schema$InstanceAggregatedList {
    const { items, ...more } = page(api.instances, params);
    return {
      kind: 'compute#instanceAggregatedList',
      id: `projects/${project}/aggregated/instances`,
      items: scoped(items, (instances) => ({ instances })),
      ...more,
    };
  }

  function aggregatedDisks(params: Exchange['params']): compute_v1.Schema$DiskAggregatedList {
    const { items, ...more } = page(api.disks.all.values(), params);
    return {
      kind: 'compute#diskAggregatedList',
      id: `projects/${project}/aggregated/disks`,
      items: scoped(items, (disks) => ({ disks })),
      ...more,
    };
  }

  function scoped<T extends Listed, R>(items: readonly T[], wrap: (items: T[]) => R) {
    const scopes = zones.map((zone) => {
      const own = items.filter((one) => one.zone?.endsWith(`/${zone}`));
      const scope = `zones/${zone}`;
      const message = `There are no results for scope '${scope}' on this page.`;
      const data = [{ key: 'scope', value: scope }];
      const warning = { code: 'NO_RESULTS_ON_PAGE', message, data };
      return [scope, own.length > 0 ? wrap(own) : { warning }] as const;
    });
    return Object.fromEntries(scopes);
  }

  const fake: FakeCompute = {
    ...{ api, endpoint, exchanges, token: undefined, pageSize: 500 },
    fault: () => undefined,
    count: (verb) => exchanges.filter((exchange) => exchange.verb === verb).length,
    close: async () => {
      server.close();
      await api.close();
      server.closeAllConnections();
    },
  };
  return fake;
}

function reply(
  response: ServerResponse,
  status: number,
  body: object | ApiError,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'Content-Type': 'application/json; charset=UTF-8', ...headers });
  response.end(JSON.stringify(body));
}

/** The part of the filter language that is in use: `(field = "value")`, all of which must hold; `name eq` of gcloud. */
function matcher(filter: string): (one: Listed) => boolean {
  const terms = [...filter.matchAll(/\(?([\w.-]+) (?:=|eq) "?([^")]*)"?\)?/g)];
  if (terms.map(([term]) => term).join('').length < filter.replaceAll(' ', '').length / 2) {
    throw new Error(`the fake cannot read the filter ${filter}`);
  }
  return (one) =>
    terms.every(([, field = '', value]) => {
      const label = /^labels\.(.+)$/.exec(field)?.[1];
      return (label === undefined ? one.name : one.labels?.[label]) === value;
    });
}
