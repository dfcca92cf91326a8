// What a field of a reply may be. Nothing of a reply is used before it has been read by these.
import * as v from 'valibot';

/** A whole number that counts or measures something, which JavaScript holds exactly. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Text of at most this many UTF-16 code units. */
export const text = (maxLength = 4_096) => v.pipe(v.string(), v.maxLength(maxLength));

/** At most this many of them. */
export const listOf = <T extends v.GenericSchema>(item: T, maxLength = 100_000) =>
  v.pipe(v.array(item), v.maxLength(maxLength));

/** A moment in RFC 3339 that there is. */
export const moment = v.pipe(
  text(64),
  v.isoTimestamp(),
  v.check((value) => !Number.isNaN(Date.parse(value))),
);

/** A SHA-256 in lower-case hex. */
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** What users name things by: visible ASCII, and no slash, which separates a backend from a name. */
export const shortName = v.pipe(v.string(), v.regex(/^[!-.0-~]{1,255}$/));

/** An HTTP status that says that something failed. */
export const errorStatus = v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599));

/** The value of the text by the schema; undefined when it is no JSON, or not such a value. */
export function parseBy<T extends v.GenericSchema>(
  schema: T,
  json: string,
): v.InferOutput<T> | undefined {
  const result = v.safeParse(schema, parseJson(json), { abortEarly: true });
  return result.success ? result.output : undefined;
}

/** The value of the text; undefined when it is no JSON, or nested deeper than any reply is. */
export function parseJson(json: string): unknown {
  if (isDeep(json)) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The deepest that a reply nests values, with room to spare. */
const maxDepth = 32;

/** Whether brackets nest so deep that a parser would need much more memory than the text has. */
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

/** Where the string ends that begins there: brackets in it nest nothing. */
function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
