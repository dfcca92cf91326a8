// The messages to and from the program on a host: one request, and its replies, each a line of JSON. Both ends have the same
// version. Replies are not trusted, and are checked here.
import * as v from 'valibot';
import { type ErrorCode, errorCodes } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { cacheModes, cacheName } from '../../protocol/cache.ts';
import { labelsOf } from '../../protocol/labels.ts';

/** The longest line, in characters. */
export const lineLimit = 8 << 20;

const short = v.pipe(v.string(), v.maxLength(1_000));
const texts = v.pipe(
  v.array(v.pipe(v.string(), v.maxLength(100_000))),
  v.maxLength(10_000),
  v.readonly(),
);
const name = v.pipe(v.string(), v.regex(buildletName));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const user = v.optional(short);

const labels = v.optional(v.pipe(v.unknown(), v.transform(labelsOf)));

const localMachine = v.strictObject({
  isolation: v.optional(v.picklist(['none', 'bubblewrap'])),
  network: v.optional(v.picklist(['host', 'none'])),
  readOnlyPaths: v.optional(texts),
  writablePaths: v.optional(texts),
  cpus: v.optional(v.number()),
  memoryBytes: v.optional(v.number()),
  pidsLimit: v.optional(v.number()),
});

const cacheNamed = v.pipe(v.string(), v.regex(cacheName));

const caches = v.optional(
  v.pipe(
    v.array(
      v.object({
        name: cacheNamed,
        path: short,
        mode: v.optional(v.picklist(cacheModes)),
        maxBytes: v.optional(v.number()),
        shared: v.optional(v.boolean()),
      }),
    ),
    v.readonly(),
  ),
);

const requestSchema = v.variant('op', [
  v.strictObject({
    op: v.literal('create'),
    builder: v.object({ name: short, hostType: short, env: texts, path: v.optional(texts) }),
    host: v.object({
      name: short,
      inheritEnv: v.optional(v.boolean()),
      local: v.optional(localMachine),
      caches,
    }),
    user: short,
    cacheOwner: v.optional(short),
    /** How long it waits for a client to hold it, in ms. Absent: it need not be held. */
    holdMs: v.optional(count),
    /** How much of what is pushed is kept for the user's next buildlets, in bytes. */
    storeBytes: count,
    labels,
    /** The number in its name. Absent: the next one there. */
    number: v.optional(v.strictObject({ least: v.optional(count), exact: v.optional(count) })),
  }),
  v.strictObject({ op: v.literal('list'), user }),
  v.strictObject({ op: v.literal('find'), name, user }),
  v.strictObject({ op: v.literal('destroy'), name, user }),
  v.strictObject({ op: v.literal('reap') }),
  v.strictObject({ op: v.literal('caches'), user }),
  v.strictObject({ op: v.literal('purge-cache'), name: cacheNamed, user }),
  /** Asks how busy the host is, and for the next number of names with the stem. */
  v.strictObject({ op: v.literal('survey'), stem: short }),
  /** Reserves a number. */
  v.strictObject({ op: v.literal('number'), stem: short, least: count }),
  /** Connects standard input and output to the buildlet's socket, after the reply. */
  v.strictObject({ op: v.literal('dial'), name }),
]);

export type HostRequest = v.InferOutput<typeof requestSchema>;

export const parseRequest = (line: string): HostRequest => v.parse(requestSchema, JSON.parse(line));

/** Confirms the reply to `create`. Without it, the buildlet is destroyed. */
export const keptLine = 'kept';

const date = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => new Date(text)),
);

const instanceSchema = v.object({
  name,
  builderType: short,
  hostType: short,
  owner: user,
  created: v.optional(date),
  expires: v.optional(date),
  dead: v.optional(short),
  labels,
});

const foundSchema = v.object({
  instance: instanceSchema,
  /** The path of the buildlet's socket there. */
  socket: v.pipe(v.string(), v.regex(/^\/[^\0\n]+$/), v.maxLength(4_096)),
  password: v.pipe(v.string(), v.regex(/^[\w-]{1,200}$/)),
});

export type FoundBuildlet = v.InferOutput<typeof foundSchema>;

/** The reply to a request, by its op. */
export const replySchemas = {
  create: foundSchema,
  list: v.pipe(v.array(instanceSchema), v.maxLength(10_000)),
  find: foundSchema,
  destroy: v.null(),
  reap: v.pipe(v.array(v.pipe(v.string(), v.maxLength(10_000))), v.maxLength(10_000)),
  caches: v.pipe(
    v.array(
      v.object({
        name: cacheNamed,
        owner: user,
        bytes: v.optional(v.pipe(v.number(), v.minValue(0))),
        used: v.optional(date),
        buildlets: v.pipe(v.array(name), v.maxLength(10_000)),
      }),
    ),
    v.maxLength(10_000),
  ),
  'purge-cache': v.boolean(),
  survey: v.object({
    /** The host's load, and its number of buildlets. */
    busy: v.pipe(v.number(), v.minValue(0)),
    cpus: v.pipe(v.number(), v.minValue(1)),
    next: count,
  }),
  number: count,
  dial: v.null(),
};

export type HostReply<Op extends HostRequest['op']> = v.InferOutput<(typeof replySchemas)[Op]>;

const codes = Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]];

const lineSchema = v.union([
  v.strictObject({ ok: v.unknown() }),
  v.strictObject({
    error: v.object({ code: v.picklist(codes), message: v.string(), hint: v.optional(v.string()) }),
  }),
]);

type HostLine = v.InferOutput<typeof lineSchema>;

export const parseLine = (line: string): HostLine => v.parse(lineSchema, JSON.parse(line));
