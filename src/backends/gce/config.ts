// The tables of virtual machines: [backends.NAME] with kind "gce", and [hosts.NAME.gce].
import * as v from 'valibot';
import {
  lifetimeEntries,
  lifetimeNames,
  memorySchema,
  portSchema,
  tableOf,
  textSchema,
} from '../../config/values.ts';

const project = v.pipe(
  v.string(),
  v.regex(/^([\w.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/, 'it is not the id of a project'),
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

/** The disks of caches. */
const cacheDisks = v.pipe(
  v.strictObject({
    size: memorySchema,
    type: v.optional(
      v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/, 'a type of disk is such as "pd-ssd"')),
      'pd-balanced',
    ),
  }),
  v.transform(({ size, type }) => ({ sizeBytes: size, type })),
);

export type CacheDisks = v.InferOutput<typeof cacheDisks>;

export const gceSection = tableOf(
  {
    kind: v.literal('gce'),
    project,
    /** Tried in this order. */
    zones: v.tupleWithRest([zone], zone),
    /** Absent: Google's own. */
    endpoint: v.optional(endpoint),
    /** Whether machines are reached from outside their network. */
    'external-ip': v.optional(v.boolean(), true),
    /** Where buildlets listen. Absent: 443. */
    port: v.optional(portSchema),
    /** How many calls of the API a second one client makes at most. */
    'api-rate': v.optional(v.pipe(v.number(), v.gtValue(0)), 20),
    ...lifetimeEntries,
    /** Absent: buildlets have no caches. */
    caches: v.optional(cacheDisks),
  },
  {
    'external-ip': 'externalIp',
    'api-rate': 'apiRate',
    ...lifetimeNames,
  },
);

export type GceConfig = v.InferOutput<typeof gceSection>;

export const gceTable = tableOf(
  {
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
  },
  {
    'machine-type': 'machineType',
    'buildlet-url': 'buildletUrl',
    'disk-size-gb': 'diskSizeGb',
    'regular-disk': 'regularDisk',
    'min-cpu-platform': 'minCpuPlatform',
  },
);
