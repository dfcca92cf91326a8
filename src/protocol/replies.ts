// Reads the JSON of `/status`; unknown fields are ignored.
import * as v from 'valibot';
import type { BuildletStatus } from './status.ts';

const statusSchema = v.object({
  Version: v.number(),
  Features: v.optional(v.array(v.string()), []),
});

/** Reads the body of `/status`; undefined when it is not one. */
export function parseStatus(body: string): BuildletStatus | undefined {
  const result = v.safeParse(statusSchema, parseJson(body));
  if (!result.success) return undefined;
  const { Version: version, Features: features } = result.output;
  return { version, features };
}

/** The value of the text, or undefined when it is no JSON. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
