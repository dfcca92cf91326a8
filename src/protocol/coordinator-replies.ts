// Reads the JSON replies of a coordinator; unknown fields are ignored.
import * as v from 'valibot';
import type { BuilderRecord, HostRecord } from './coordinator.ts';
import { parseJson } from './replies.ts';

const remoteBuildletSchema = v.object({
  User: v.string(),
  Name: v.string(),
  HostType: v.string(),
  BuilderType: v.string(),
  Created: v.pipe(v.string(), v.isoTimestamp()),
  Expires: v.pipe(v.string(), v.isoTimestamp()),
  Health: v.optional(v.string()),
  Reason: v.optional(v.string()),
});

/** A coordinator's record of a buildlet. */
export interface RemoteBuildlet {
  /** Owner, with the prefix `user-`. */
  user: string;
  name: string;
  hostType: string;
  builderType: string;
  created: Date;
  expires: Date;
  /** `well`, `silent` or `dead`, from a coordinator that was asked and looks after it. */
  health?: string;
  /** Why it is dead. */
  reason?: string;
}

/** Reads the reply of `/buildlet/create`; undefined when it is not one. */
export function parseRemoteBuildlet(body: string): RemoteBuildlet | undefined {
  const result = v.safeParse(remoteBuildletSchema, parseJson(body));
  return result.success ? toRemoteBuildlet(result.output) : undefined;
}

/** Reads the reply of `/buildlet/list`; undefined when it is not one. */
export function parseRemoteBuildlets(body: string): RemoteBuildlet[] | undefined {
  const result = v.safeParse(v.array(remoteBuildletSchema), parseJson(body));
  return result.success ? result.output.map(toRemoteBuildlet) : undefined;
}

const toRemoteBuildlet = (reply: v.InferOutput<typeof remoteBuildletSchema>): RemoteBuildlet => ({
  user: reply.User,
  name: reply.Name,
  hostType: reply.HostType,
  builderType: reply.BuilderType,
  created: new Date(reply.Created),
  expires: new Date(reply.Expires),
  ...(reply.Health !== undefined && { health: reply.Health }),
  ...(reply.Reason !== undefined && { reason: reply.Reason }),
});

const builderSchema = v.object({
  Name: v.string(),
  HostType: v.string(),
  Env: v.optional(v.array(v.string()), []),
  Path: v.optional(v.array(v.string())),
});

const toBuilder = (builder: v.InferOutput<typeof builderSchema>): BuilderRecord => ({
  name: builder.Name,
  hostType: builder.HostType,
  env: builder.Env,
  path: builder.Path,
});

const createLineSchema = v.union([
  v.object({ Progress: v.string() }),
  v.object({ Buildlet: remoteBuildletSchema, Builder: v.optional(builderSchema) }),
  v.object({ Error: v.string(), Status: v.number() }),
]);

/** One line of a create that tells its progress. */
export type CreateLine =
  | { readonly progress: string }
  | { readonly buildlet: RemoteBuildlet; readonly builder: BuilderRecord | undefined }
  | { readonly error: string; readonly status: number };

export function parseCreateLine(line: string): CreateLine | undefined {
  const result = v.safeParse(createLineSchema, parseJson(line));
  if (!result.success) return undefined;
  const { output } = result;
  if ('Progress' in output) return { progress: output.Progress };
  if ('Buildlet' in output) {
    const { Buildlet: buildlet, Builder: builder } = output;
    return { buildlet: toRemoteBuildlet(buildlet), builder: builder && toBuilder(builder) };
  }
  return { error: output.Error, status: output.Status };
}

const typesSchema = v.object({
  Features: v.optional(v.array(v.string()), []),
  User: v.optional(v.object({ Name: v.string(), Admin: v.boolean() })),
  Hosts: v.array(v.object({ Name: v.string(), Description: v.optional(v.string()) })),
  Builders: v.array(builderSchema),
});

/** What a coordinator says of itself and of the one who asks. */
export interface RemoteTypes {
  readonly features: readonly string[];
  /** Whose token it was, without the prefix `user-`. */
  readonly user: { readonly name: string; readonly isAdmin: boolean } | undefined;
  readonly catalogue: {
    readonly hosts: readonly HostRecord[];
    readonly builders: readonly BuilderRecord[];
  };
}

/** Reads the reply of `/buildlet/types`; undefined when it is not one. */
export function parseTypes(body: string): RemoteTypes | undefined {
  const result = v.safeParse(typesSchema, parseJson(body));
  if (!result.success) return undefined;
  const { Features: features, User: user, Hosts: hosts, Builders: builders } = result.output;
  return {
    features,
    user: user && { name: user.Name, isAdmin: user.Admin },
    catalogue: {
      hosts: hosts.map(({ Name: name, Description: description }) => ({ name, description })),
      builders: builders.map(toBuilder),
    },
  };
}
