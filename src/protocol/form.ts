// application/x-www-form-urlencoded, as Go's url.Values writes and reads it.
import { GomoteError } from '../errors.ts';
import { bytesOfName, nameFromBytes } from './name-bytes.ts';

/** Parameters in order. A list repeats the name. Bytes are sent unchanged, including those that text stands for. */
export type FormValues = Record<string, FormValue | readonly FormValue[] | undefined>;
/** Text, or bytes where they are not UTF-8. */
export type FormValue = string | Uint8Array;

/** A value as text; bytes that are not UTF-8 are as in the names of files (name-bytes.ts). */
export const textOf = (value: FormValue): string =>
  typeof value === 'string' ? value : nameFromBytes(value);

/** Encodes the values. Undefined values and empty lists are omitted. Throws ERR_USAGE for an invalid value. */
export function encodeForm(values: FormValues): string {
  const pairs = Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const all = Array.isArray(value) ? value : [value];
    return all.map((one) => encodePair(name, one));
  });
  return pairs.join('&');
}

function encodePair(name: string, value: unknown): string {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new GomoteError('ERR_USAGE', `'${name}' must be text or bytes, and is ${value}`);
  }
  const text = textOf(value);
  if (text.isWellFormed()) return new URLSearchParams([[name, text]]).toString();
  const hex = bytesOfName(text).toString('hex').replaceAll(/../g, '%$&');
  return `${new URLSearchParams([[name, '']])}${hex}`;
}

/** A path with the values as its query. */
export function withQuery(path: string, values: FormValues): string {
  const query = encodeForm(values);
  return query === '' ? path : `${path}?${query}`;
}

/** Reads a form or a query string; bytes of values that are not UTF-8 are as in the names of files (name-bytes.ts). */
export const decodeForm = (text: string): URLSearchParams => new ExactParams(text);

class ExactParams extends URLSearchParams {
  readonly #text: string;

  constructor(text: string) {
    super(text);
    this.#text = text;
  }

  override get(name: string): string | null {
    return this.getAll(name)[0] ?? null;
  }

  override getAll(name: string): string[] {
    const values = super.getAll(name);
    // A replacement character may come from bytes that are not UTF-8.
    if (!values.some((value) => value.includes('\uFFFD'))) return values;
    return exactValues(this.#text, name);
  }
}

/** The values of one parameter, decoded byte by byte. */
function exactValues(body: string, name: string): string[] {
  return body.split('&').flatMap((pair) => {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals) !== name) return [];
    const value = pair.slice(equals + 1).replaceAll('+', ' ');
    const bytes = Buffer.from(
      value.replaceAll(/%([0-9a-fA-F]{2})|[^%]+|%/g, (part, hex: string | undefined) =>
        hex === undefined
          ? Buffer.from(part).toString('latin1')
          : String.fromCharCode(Number.parseInt(hex, 16)),
      ),
      'latin1',
    );
    return nameFromBytes(bytes);
  });
}

/** Go's strconv.ParseBool, where anything else is false, as the buildlet reads `recursive` and `digest`. */
export function parseBool(text: string | null): boolean {
  return text !== null && ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text);
}
