// Schemas for the fields of replies. No part of a reply is used before it has been checked.
import * as v from 'valibot';
import { type FailureLine, parseErrorCode } from './error-reply.ts';

/** A safe integer that counts or measures something. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Text of at most this many UTF-16 code units. */
export const text = (maxLength = 4_096) => v.pipe(v.string(), v.maxLength(maxLength));

/** At most this many of them. */
export const listOf = <T extends v.GenericSchema>(item: T, maxLength = 100_000) =>
  v.pipe(v.array(item), v.maxLength(maxLength));

/** A valid time in RFC 3339. */
export const moment = v.pipe(
  text(64),
  v.isoTimestamp(),
  v.check((value) => !Number.isNaN(Date.parse(value))),
);

/** A SHA-256 in lower-case hex. */
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** A name from a user: visible ASCII without a slash, which separates a backend from a name. */
export const shortName = v.pipe(v.string(), v.regex(/^[!-.0-~]{1,255}$/));

/** An HTTP error status. */
export const errorStatus = v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599));

/** A valid time in RFC 3339, as a date. */
export const date = v.pipe(
  moment,
  v.transform((value) => new Date(value)),
);

/** An object of a Go program, whose keys begin with a capital letter in JSON. */
export const goObject = <const Entries extends v.ObjectEntries>(entries: Entries) =>
  v.pipe(v.unknown(), v.transform(withSmallKeys), v.object(entries));

const withSmallKeys = (given: unknown): unknown =>
  Object.fromEntries(
    Object.entries(given ?? {})
      .filter(([key]) => /^[A-Z]/.test(key))
      .map(([key, value]) => [key.charAt(0).toLowerCase() + key.slice(1), value]),
  );

/** A line that ends a reply of several lines with a failure. */
export const failureLine = v.pipe(
  goObject({ error: text(64 << 10), status: errorStatus, code: v.optional(v.unknown()) }),
  v.transform((line): FailureLine => ({ ...line, code: parseErrorCode(line.code) })),
);

/** Parses the text by the schema; undefined when it is not JSON, or does not match. */
export function parseBy<T extends v.GenericSchema>(
  schema: T,
  json: string,
): v.InferOutput<T> | undefined {
  const result = v.safeParse(schema, parseJson(json), { abortEarly: true });
  return result.success ? result.output : undefined;
}

/** Parses the text; undefined when it is not JSON, or is nested too deeply. */
export function parseJson(json: string): unknown {
  if (isDeep(json)) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The maximum nesting depth of a reply, with some reserve. */
const maxDepth = 32;

/** Whether brackets are nested so deeply that parsing would need far more memory than the text. */
function isDeep(json: string): boolean {
  let depth = 0;
  for (let at = 0; at < json.length && depth <= maxDepth; at++) {
    const mark = json[at];
    if (mark === '"') at = stringEnd(json, at);
    else if (mark === '[' || mark === '{') depth++;
    else if (mark === ']' || mark === '}') depth--;
  }
  return depth > maxDepth;
}

/** The end of the string that begins here: brackets inside it do not count. */
function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
