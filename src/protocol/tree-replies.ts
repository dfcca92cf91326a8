// Reads the JSON replies of the endpoints of trees; unknown fields are ignored.
import * as v from 'valibot';
import { type ErrorCode, isGomoteError } from '../errors.ts';
import { errorReply, parseErrorCode } from './error-reply.ts';
import { count, errorStatus, listOf, parseBy, sha256, text } from './reply-fields.ts';
import { treeLimits } from './tree-limits.ts';

const stateSchema = v.object({
  digest: sha256,
  generation: text(200),
  zstd: v.optional(v.boolean(), false),
  named: v.optional(v.boolean(), false),
  anyName: v.optional(v.boolean(), false),
  times: v.optional(sha256),
  busy: v.optional(v.boolean(), false),
  stored: v.optional(v.boolean(), false),
  prepared: v.optional(v.object({ digest: sha256, times: sha256 })),
});

/**
 * Reads the reply of `/sync/state`; undefined when it is not one.
 *
 * @internal
 */
export function parseTreeState(body: string): v.InferOutput<typeof stateSchema> | undefined {
  return parseBy(stateSchema, body);
}

const refusedSchema = v.object({
  path: text(treeLimits.pathLength),
  code: text(64),
  why: text(),
});

/** An entry that the buildlet did not create. */
export interface RefusedEntry {
  /** Its path in the tree. */
  path: string;
  /** The code of the error, such as `EACCES` or `ERR_PATH`. */
  code: string;
  /** Why, in words. */
  why: string;
}

const appliedSchema = v.object({
  digest: sha256,
  files: count,
  bytes: count,
  /** SHA-256 over the lines before it, if any. */
  lines: v.optional(sha256),
  refused: v.optional(listOf(refusedSchema, 1000), []),
});

/**
 * Reads the reply of `/sync/apply`; undefined when it is not one.
 *
 * @internal
 */
export function parseAppliedReply(body: string): v.InferOutput<typeof appliedSchema> | undefined {
  return parseBy(appliedSchema, body);
}

const failureSchema = v.object({
  error: text(64 << 10),
  status: errorStatus,
  /** Whether it was ERR_LOST. */
  lost: v.boolean(),
  /** The value that `X-Gomote-Error-Code` would have had. */
  code: v.optional(v.unknown()),
});

interface ApplyFailure {
  readonly error: string;
  readonly status: number;
  readonly lost: boolean;
  readonly code: ErrorCode | undefined;
}

/** Replaces the reply of `/sync/apply` after lines of digests, when it fails. */
export function applyFailure(error: unknown): ApplyFailure {
  const { status, text, code } = errorReply(error);
  return { error: text, status, lost: isGomoteError(error, 'ERR_LOST'), code };
}

/** Reads {@link applyFailure}; undefined when it is not one. */
export function parseApplyFailure(body: string): ApplyFailure | undefined {
  const failure = parseBy(failureSchema, body);
  return failure && { ...failure, code: parseErrorCode(failure.code) };
}
