// Reads the JSON replies of `/status` and of the coordinator; unknown fields are ignored.
import * as v from 'valibot';
import type { BuildletStatus } from './status.ts';

const statusSchema = v.object({
  Version: v.number(),
  Features: v.optional(v.array(v.string()), []),
});

const remoteBuildletSchema = v.object({
  User: v.string(),
  Name: v.string(),
  HostType: v.string(),
  BuilderType: v.string(),
  Created: v.pipe(v.string(), v.isoTimestamp()),
  Expires: v.pipe(v.string(), v.isoTimestamp()),
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
}

/** Reads the body of `/status`; undefined when it is not one. */
export function parseStatus(body: string): BuildletStatus | undefined {
  const result = v.safeParse(statusSchema, parseJson(body));
  if (!result.success) return undefined;
  const { Version: version, Features: features } = result.output;
  return { version, features };
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
});

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
