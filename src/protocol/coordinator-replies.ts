// Reads the JSON replies of a coordinator; unknown fields are ignored.
import * as v from 'valibot';
import type { BuilderRecord, HostRecord, MachineRecord } from './coordinator.ts';
import type { FailureLine } from './error-reply.ts';
import { type Labels, labelsOf } from './labels.ts';
import {
  count,
  date,
  failureLine,
  goObject,
  listOf,
  parseBy,
  shortName,
  text,
} from './reply-fields.ts';

/** A coordinator's record of a buildlet. */
export interface RemoteBuildlet {
  /** Owner, with the prefix `user-`. */
  user: string;
  /** The name for `namedBuildlet`. */
  name: string;
  /** The kind of machine that it is on. */
  hostType: string;
  /** What it was created as. */
  builderType: string;
  /** When it was made. */
  created: Date;
  /** When it ends unless it is used or extended. */
  expires: Date;
  /** `well`, `silent` or `dead`, if the coordinator reports health. */
  health?: string;
  /** Why it is dead, or since when it is silent. */
  reason?: string;
  /** The id of its machine, for admins only. */
  machine?: string;
  /** The labels from its user, if the coordinator keeps labels. */
  labels?: Labels;
}

const buildletSchema = v.pipe(
  goObject({
    user: text(255),
    name: shortName,
    hostType: text(255),
    builderType: text(255),
    created: date,
    expires: date,
    health: v.exactOptional(text(100)),
    reason: v.exactOptional(text()),
    machine: v.exactOptional(text(255)),
    labels: v.optional(v.unknown()),
  }),
  v.transform(({ labels: given, ...record }): RemoteBuildlet => {
    const labels = labelsOf(given);
    return { ...record, ...(labels && { labels }) };
  }),
);

/** Reads the reply of `/buildlet/create`; undefined when it is not one. */
export const parseRemoteBuildlet = (body: string): RemoteBuildlet | undefined =>
  parseBy(buildletSchema, body);

/** Reads the reply of `/buildlet/list`; undefined when it is not one. */
export const parseRemoteBuildlets = (body: string): RemoteBuildlet[] | undefined =>
  parseBy(listOf(buildletSchema), body);

const builderSchema = goObject({
  name: shortName,
  hostType: text(255),
  env: v.optional(listOf(text(128 << 10), 10_000), []),
  path: v.optional(listOf(text(), 10_000)),
});

const createLineSchema = v.union([
  goObject({ progress: text() }),
  goObject({ buildlet: buildletSchema, builder: v.optional(builderSchema) }),
  goObject({ buildlets: listOf(buildletSchema), builder: v.optional(builderSchema) }),
  failureLine,
]);

/** One progress line of a create. */
type CreateLine =
  | { readonly progress: string }
  | {
      readonly buildlets: readonly RemoteBuildlet[];
      readonly builder?: BuilderRecord | undefined;
    }
  | FailureLine;

export function parseCreateLine(line: string): CreateLine | undefined {
  const output = parseBy(createLineSchema, line);
  if (output === undefined || !('buildlet' in output)) return output;
  return { buildlets: [output.buildlet], builder: output.builder };
}

/** A user of the coordinator. */
export interface RemoteUser {
  /** Without the prefix `user-`. */
  readonly name: string;
  /** Whether it may see, use and destroy all buildlets. */
  readonly isAdmin: boolean;
  /** How many buildlets it has, if the coordinator reports that. */
  readonly inUse?: number | undefined;
  /** How many it may have at once. */
  readonly maximum?: number | undefined;
  /** When its token expires. Absent: never, or unknown. */
  readonly expires?: Date | undefined;
}

/** What a coordinator reports about itself and the caller. */
export interface RemoteTypes {
  /** The extensions that the coordinator announces. */
  readonly features: readonly string[];
  /** The user of the token, without the prefix `user-`. */
  readonly user: RemoteUser | undefined;
  /** Its builder types and host types. */
  readonly catalogue: {
    /** Host types. */
    readonly hosts: readonly HostRecord[];
    /** Builder types. */
    readonly builders: readonly BuilderRecord[];
  };
}

const userSchema = v.pipe(
  goObject({
    name: text(255),
    admin: v.boolean(),
    inUse: v.optional(count),
    maximum: v.optional(count),
    expires: v.optional(date),
  }),
  v.transform(({ admin: isAdmin, ...user }): RemoteUser => ({ ...user, isAdmin })),
);

const typesSchema = goObject({
  features: v.optional(listOf(text(100), 1_000), []),
  user: v.optional(userSchema),
  hosts: listOf(goObject({ name: text(255), description: v.optional(text()) }), 10_000),
  builders: listOf(builderSchema, 10_000),
});

/** Reads the reply of `/buildlet/types`; undefined when it is not one. */
export function parseTypes(body: string): RemoteTypes | undefined {
  const types = parseBy(typesSchema, body);
  if (types === undefined) return undefined;
  const { features, user, ...catalogue } = types;
  return { features, user, catalogue };
}

const machineSchema = v.pipe(
  goObject({
    machine: text(255),
    hostType: text(255),
    pool: v.optional(text(255)),
    labels: v.optional(v.unknown()),
    kind: text(100),
    state: v.picklist(['free', 'in use', 'down', 'unclean']),
    since: v.optional(date),
    reason: v.optional(text()),
    buildlet: v.optional(text(255)),
    owner: v.optional(text(255)),
    drained: v.optional(goObject({ since: date, note: text() })),
  }),
  v.transform(
    ({ labels, owner, ...machine }): MachineRecord => ({
      ...machine,
      labels: labelsOf(labels),
      owner: owner?.replace(/^user-/, ''),
    }),
  ),
);

/** Reads the reply of `/machine/list`; undefined when it is not one. */
export const parseMachines = (body: string): MachineRecord[] | undefined =>
  parseBy(listOf(machineSchema), body);

/** Reads the reply of `/machine/drain`; undefined when it is not one. */
export const parseMachine = (body: string): MachineRecord | undefined =>
  parseBy(machineSchema, body);

const deviceLoginSchema = goObject({
  id: text(255),
  url: v.pipe(text(), v.regex(/^https?:\/\/[!-~]+$/)),
  code: v.pipe(text(100), v.regex(/^[!-~]+$/)),
  intervalMs: v.pipe(count, v.maxValue(60_000)),
});

/** A sign-in to be completed in a browser. */
export interface DeviceLogin {
  /** The code to poll with. */
  readonly id: string;
  /** The page to open in a browser. */
  readonly url: string;
  /** The code that the user confirms or types there. */
  readonly code: string;
  /** The polling interval, in ms. */
  readonly intervalMs: number;
}

/** Who has signed in. */
export interface SignedIn {
  /** The name of the user. */
  readonly user: string;
  /** The password for the calls of that user. */
  readonly token: string;
}

/** Reads the first reply of `/login/device`; undefined when it is not one. */
export const parseDeviceLogin = (body: string): DeviceLogin | undefined =>
  parseBy(deviceLoginSchema, body);

const deviceStateSchema = v.union([
  goObject({ state: v.literal('pending') }),
  goObject({
    state: v.literal('done'),
    user: shortName,
    token: v.pipe(text(1_000), v.regex(/^[!-~]+$/)),
  }),
]);

/** Reads a later reply of `/login/device`, with the user once signed in; undefined when it is not one. */
export function parseDeviceState(body: string): 'pending' | SignedIn | undefined {
  const found = parseBy(deviceStateSchema, body);
  if (found === undefined || found.state === 'pending') return found && 'pending';
  return { user: found.user, token: found.token };
}
