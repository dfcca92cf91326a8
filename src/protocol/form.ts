// application/x-www-form-urlencoded, as Go's url.Values writes and reads it.

/** Parameters in order; a list value is the name repeated. */
export type FormValues = Record<string, string | readonly string[] | undefined>;

/** Encodes the values; an undefined value and an empty list are left out. */
export function encodeForm(values: FormValues): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'string' ? [value] : value) params.append(name, one);
  }
  return params.toString();
}

/** A path with the values as its query. */
export function withQuery(path: string, values: FormValues): string {
  const query = encodeForm(values);
  return query === '' ? path : `${path}?${query}`;
}

/** Reads a form or a query string. */
export function decodeForm(text: string): URLSearchParams {
  return new URLSearchParams(text);
}

/** Go's strconv.ParseBool, where anything else is false, as the buildlet reads `recursive` and `digest`. */
export function parseBool(text: string | null): boolean {
  return text !== null && ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text);
}
