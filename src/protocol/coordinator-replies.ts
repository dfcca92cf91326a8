// Reads the JSON replies of a coordinator; unknown fields are ignored.
import * as v from 'valibot';
import type { BuilderRecord, HostRecord, MachineRecord } from './coordinator.ts';
import type { FailureLine } from './error-reply.ts';
import { type Labels, labelsOf } from './labels.ts';
import {
  count,
  failureLine,
  listOf,
  moment,
  parseBy,
  shortName,
  text,
  toFailure,
} from './reply-fields.ts';

const remoteBuildletSchema = v.object({
  User: text(255),
  Name: shortName,
  HostType: text(255),
  BuilderType: text(255),
  Created: moment,
  Expires: moment,
  Health: v.optional(text(100)),
  Reason: v.optional(text()),
  Machine: v.optional(text(255)),
  Labels: v.optional(v.unknown()),
});

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

/** Reads the reply of `/buildlet/create`; undefined when it is not one. */
export function parseRemoteBuildlet(body: string): RemoteBuildlet | undefined {
  const record = parseBy(remoteBuildletSchema, body);
  return record && toRemoteBuildlet(record);
}

/** Reads the reply of `/buildlet/list`; undefined when it is not one. */
export function parseRemoteBuildlets(body: string): RemoteBuildlet[] | undefined {
  return parseBy(listOf(remoteBuildletSchema), body)?.map(toRemoteBuildlet);
}

function toRemoteBuildlet(reply: v.InferOutput<typeof remoteBuildletSchema>): RemoteBuildlet {
  const labels = labelsOf(reply.Labels);
  return {
    user: reply.User,
    name: reply.Name,
    hostType: reply.HostType,
    builderType: reply.BuilderType,
    created: new Date(reply.Created),
    expires: new Date(reply.Expires),
    ...(reply.Health !== undefined && { health: reply.Health }),
    ...(reply.Reason !== undefined && { reason: reply.Reason }),
    ...(reply.Machine !== undefined && { machine: reply.Machine }),
    ...(labels !== undefined && { labels }),
  };
}

const builderSchema = v.object({
  Name: shortName,
  HostType: text(255),
  Env: v.optional(listOf(text(128 << 10), 10_000), []),
  Path: v.optional(listOf(text(), 10_000)),
});

const toBuilder = (builder: v.InferOutput<typeof builderSchema>): BuilderRecord => ({
  name: builder.Name,
  hostType: builder.HostType,
  env: builder.Env,
  path: builder.Path,
});

const createLineSchema = v.union([
  v.object({ Progress: text() }),
  v.object({ Buildlet: remoteBuildletSchema, Builder: v.optional(builderSchema) }),
  v.object({ Buildlets: listOf(remoteBuildletSchema), Builder: v.optional(builderSchema) }),
  failureLine,
]);

/** One progress line of a create. */
type CreateLine =
  | { readonly progress: string }
  | {
      readonly buildlets: readonly RemoteBuildlet[];
      readonly builder: BuilderRecord | undefined;
    }
  | FailureLine;

export function parseCreateLine(line: string): CreateLine | undefined {
  const output = parseBy(createLineSchema, line);
  if (output === undefined) return undefined;
  if ('Progress' in output) return { progress: output.Progress };
  if ('Error' in output) return toFailure(output);
  const { Builder: builder } = output;
  const buildlets = 'Buildlet' in output ? [output.Buildlet] : output.Buildlets;
  return { buildlets: buildlets.map(toRemoteBuildlet), builder: builder && toBuilder(builder) };
}

const typesSchema = v.object({
  Features: v.optional(listOf(text(100), 1_000), []),
  User: v.optional(
    v.object({
      Name: text(255),
      Admin: v.boolean(),
      InUse: v.optional(count),
      Maximum: v.optional(count),
      Expires: v.optional(moment),
    }),
  ),
  Hosts: listOf(v.object({ Name: text(255), Description: v.optional(text()) }), 10_000),
  Builders: listOf(builderSchema, 10_000),
});

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

/** Reads the reply of `/buildlet/types`; undefined when it is not one. */
export function parseTypes(body: string): RemoteTypes | undefined {
  const types = parseBy(typesSchema, body);
  if (types === undefined) return undefined;
  const { Features: features, User: user, Hosts: hosts, Builders: builders } = types;
  return {
    features,
    user: user && {
      name: user.Name,
      isAdmin: user.Admin,
      ...(user.InUse !== undefined && { inUse: user.InUse }),
      ...(user.Maximum !== undefined && { maximum: user.Maximum }),
      ...(user.Expires !== undefined && { expires: new Date(user.Expires) }),
    },
    catalogue: {
      hosts: hosts.map(({ Name: name, Description: description }) => ({ name, description })),
      builders: builders.map(toBuilder),
    },
  };
}

const machineSchema = v.object({
  Machine: text(255),
  HostType: text(255),
  Pool: v.optional(text(255)),
  Labels: v.optional(v.unknown()),
  Kind: text(100),
  State: v.picklist(['free', 'in use', 'down', 'unclean']),
  Since: v.optional(moment),
  Reason: v.optional(text()),
  Buildlet: v.optional(text(255)),
  Owner: v.optional(text(255)),
  Drained: v.optional(v.object({ Since: moment, Note: text() })),
});

/** Reads the reply of `/machine/list`; undefined when it is not one. */
export const parseMachines = (body: string): MachineRecord[] | undefined =>
  parseBy(listOf(machineSchema), body)?.map(toMachine);

/** Reads the reply of `/machine/drain`; undefined when it is not one. */
export function parseMachine(body: string): MachineRecord | undefined {
  const row = parseBy(machineSchema, body);
  return row && toMachine(row);
}

const toMachine = (row: v.InferOutput<typeof machineSchema>): MachineRecord => ({
  machine: row.Machine,
  hostType: row.HostType,
  pool: row.Pool,
  labels: labelsOf(row.Labels),
  kind: row.Kind,
  state: row.State,
  since: row.Since === undefined ? undefined : new Date(row.Since),
  reason: row.Reason,
  buildlet: row.Buildlet,
  owner: row.Owner?.replace(/^user-/, ''),
  drained: row.Drained && { since: new Date(row.Drained.Since), note: row.Drained.Note },
});

const deviceLoginSchema = v.object({
  Id: text(255),
  Url: v.pipe(text(), v.regex(/^https?:\/\/[!-~]+$/)),
  Code: v.pipe(text(100), v.regex(/^[!-~]+$/)),
  IntervalMs: v.pipe(count, v.maxValue(60_000)),
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
export function parseDeviceLogin(body: string): DeviceLogin | undefined {
  const login = parseBy(deviceLoginSchema, body);
  return login && { id: login.Id, url: login.Url, code: login.Code, intervalMs: login.IntervalMs };
}

const deviceStateSchema = v.union([
  v.object({ State: v.literal('pending') }),
  v.object({
    State: v.literal('done'),
    User: shortName,
    Token: v.pipe(text(1_000), v.regex(/^[!-~]+$/)),
  }),
]);

/** Reads a later reply of `/login/device`, with the user once signed in; undefined when it is not one. */
export function parseDeviceState(
  body: string,
): 'pending' | { readonly user: string; readonly token: string } | undefined {
  const state = parseBy(deviceStateSchema, body);
  if (state === undefined || state.State === 'pending') return state && 'pending';
  return { user: state.User, token: state.Token };
}
