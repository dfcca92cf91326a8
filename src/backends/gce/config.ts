// The tables of virtual machines: [backends.NAME] with kind "gce", and [hosts.NAME.gce].
import * as v from 'valibot';
import type { GceMachine } from '../../builders.ts';
import { lifetimeSchema, portSchema, textSchema } from '../../config/values.ts';

export interface GceConfig {
  readonly kind: 'gce';
  readonly project: string;
  /** Tried in this order. */
  readonly zones: readonly [string, ...string[]];
  /** Absent: Google's own. */
  readonly endpoint?: string | undefined;
  /** Whether machines are reached from outside their network. */
  readonly externalIp: boolean;
  /** Where buildlets listen. Absent: 443. */
  readonly port?: number | undefined;
  /** How many calls of the API a second one client makes at most. */
  readonly apiRate: number;
  /** How long a buildlet lives without use. 0: forever. */
  readonly idleTimeoutMs: number;
  /** How long it lives at most. 0: forever. */
  readonly maxLifetimeMs: number;
}

const project = v.pipe(
  v.string(),
  v.regex(/^([\w.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'it is no id of a project'),
);

const zone = v.pipe(
  v.string(),
  v.regex(/^[a-z]+-[a-z]+[0-9]+-[a-z]$/, 'a zone is such as "us-central1-f"'),
);

/** A token is sent there. */
const endpoint = v.pipe(
  v.string(),
  v.regex(
    /^(https:\/\/[^/?#@]+|http:\/\/(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)\/$/,
    'give https://HOST/',
  ),
);

export const gceSection = v.pipe(
  v.strictObject({
    kind: v.literal('gce'),
    project,
    zones: v.tupleWithRest([zone], zone),
    endpoint: v.optional(endpoint),
    'external-ip': v.optional(v.boolean(), true),
    port: v.optional(portSchema),
    'api-rate': v.optional(v.pipe(v.number(), v.gtValue(0)), 20),
    'idle-timeout': v.optional(lifetimeSchema, '30m'),
    'max-lifetime': v.optional(lifetimeSchema, '24h'),
  }),
  v.transform(
    ({ kind, project, zones, endpoint, port, ...file }): GceConfig => ({
      ...{ kind, project, zones, endpoint, port },
      externalIp: file['external-ip'],
      apiRate: file['api-rate'],
      idleTimeoutMs: file['idle-timeout'],
      maxLifetimeMs: file['max-lifetime'],
    }),
  ),
);

export const gceTable = v.pipe(
  v.strictObject({
    image: textSchema,
    'machine-type': textSchema,
    'buildlet-url': v.optional(textSchema),
    'disk-size-gb': v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
    'regular-disk': v.optional(v.boolean()),
    'min-cpu-platform': v.optional(textSchema),
    pricing: v.optional(
      v.picklist(
        ['standard', 'spot', 'preemptible'],
        'pricing is "standard", "spot" or "preemptible"',
      ),
    ),
    network: v.optional(textSchema),
    subnetwork: v.optional(textSchema),
    meta: v.optional(v.record(v.string(), v.string())),
  }),
  v.transform(
    ({ image, pricing, network, subnetwork, meta, ...file }): GceMachine => ({
      ...{ image, pricing, network, subnetwork, meta },
      machineType: file['machine-type'],
      buildletUrl: file['buildlet-url'],
      diskSizeGb: file['disk-size-gb'],
      regularDisk: file['regular-disk'],
      minCpuPlatform: file['min-cpu-platform'],
    }),
  ),
);
