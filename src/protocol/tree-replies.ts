// Reads the JSON replies of the endpoints of trees; unknown fields are ignored.
import * as v from 'valibot';
import { parseJson } from './replies.ts';

const stateSchema = v.object({
  digest: v.string(),
  generation: v.string(),
  zstd: v.optional(v.boolean(), false),
});

/** Reads the reply of `/sync/state`; undefined when it is not one. */
export function parseTreeState(body: string): v.InferOutput<typeof stateSchema> | undefined {
  const result = v.safeParse(stateSchema, parseJson(body));
  return result.success ? result.output : undefined;
}

const appliedSchema = v.object({ digest: v.string(), files: v.number(), bytes: v.number() });

/** Reads the reply of `/sync/apply`; undefined when it is not one. */
export function parseAppliedReply(body: string): v.InferOutput<typeof appliedSchema> | undefined {
  const result = v.safeParse(appliedSchema, parseJson(body));
  return result.success ? result.output : undefined;
}
