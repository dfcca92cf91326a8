// Reads the JSON replies of the endpoints of trees; unknown fields are ignored.
import * as v from 'valibot';
import { isGomoteError } from '../errors.ts';
import { errorReply } from './error-reply.ts';
import { parseJson } from './replies.ts';

const stateSchema = v.object({
  digest: v.string(),
  generation: v.string(),
  zstd: v.optional(v.boolean(), false),
  named: v.optional(v.boolean(), false),
});

/** Reads the reply of `/sync/state`; undefined when it is not one. */
export function parseTreeState(body: string): v.InferOutput<typeof stateSchema> | undefined {
  const result = v.safeParse(stateSchema, parseJson(body));
  return result.success ? result.output : undefined;
}

const appliedSchema = v.object({
  digest: v.string(),
  files: v.number(),
  bytes: v.number(),
  /** SHA-256 over the lines that came before it, if any did. */
  lines: v.optional(v.string()),
});

/** Reads the reply of `/sync/apply`; undefined when it is not one. */
export function parseAppliedReply(body: string): v.InferOutput<typeof appliedSchema> | undefined {
  const result = v.safeParse(appliedSchema, parseJson(body));
  return result.success ? result.output : undefined;
}

const failureSchema = v.object({
  error: v.string(),
  status: v.number(),
  /** Whether it was ERR_LOST. */
  lost: v.boolean(),
});

export type ApplyFailure = v.InferOutput<typeof failureSchema>;

/** What stands in place of the reply of `/sync/apply` after lines of digests, when it fails. */
export function applyFailure(error: unknown): ApplyFailure {
  const { status, text } = errorReply(error);
  return { error: text, status, lost: isGomoteError(error, 'ERR_LOST') };
}

/** Reads {@link applyFailure}; undefined when it is none. */
export function parseApplyFailure(body: string): ApplyFailure | undefined {
  const result = v.safeParse(failureSchema, parseJson(body));
  return result.success ? result.output : undefined;
}
