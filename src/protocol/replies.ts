// Reads the JSON of `/status`; unknown fields are ignored.
import * as v from 'valibot';
import { count, listOf, parseBy, text } from './reply-fields.ts';
import type { BuildletStatus } from './status.ts';

const statusSchema = v.object({
  Version: count,
  Features: v.optional(listOf(text(100), 1_000), []),
});

/** Reads the body of `/status`; undefined when it is not one. */
export function parseStatus(body: string): BuildletStatus | undefined {
  const status = parseBy(statusSchema, body);
  return status && { version: status.Version, features: status.Features };
}
