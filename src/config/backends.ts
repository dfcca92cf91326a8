// The sections [backends.NAME]: where buildlets come from.
import * as v from 'valibot';
import { badValue, nameSchema } from './file.ts';

export type BackendConfig =
  | { readonly kind: 'local'; readonly name: string }
  | {
      readonly kind: 'coordinator';
      readonly name: string;
      /** Origin only. */
      readonly url: string;
      /** Lower-case hex SHA-256 of the one certificate accepted. */
      readonly fingerprint?: string | undefined;
      readonly tokenFile?: string | undefined;
    };

/** The backend that needs no configuration. */
export const localBackend: BackendConfig = { kind: 'local', name: 'local' };

const fingerprint = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .replace(/^sha256:/i, '')
      .replaceAll(':', '')
      .toLowerCase(),
  ),
  v.regex(/^[0-9a-f]{64}$/, 'a fingerprint is sha256: and 64 hexadecimal digits'),
);

export const backendsSchema = v.optional(
  v.record(
    nameSchema,
    v.strictObject({
      kind: v.optional(v.picklist(['local', 'coordinator'], 'kind is "local" or "coordinator"')),
      url: v.optional(v.string()),
      fingerprint: v.optional(fingerprint),
      'token-file': v.optional(v.string()),
      insecure: v.optional(v.boolean()),
    }),
  ),
  {},
);

type Section = v.InferOutput<typeof backendsSchema>[string];

/** The backends of the file at `path`, and the local one; throws ERR_CONFIG. */
export function toBackends(
  path: string,
  sections: v.InferOutput<typeof backendsSchema>,
): Map<string, BackendConfig> {
  const backends = new Map([[localBackend.name, localBackend]]);
  for (const [key, section] of Object.entries(sections)) {
    backends.set(key, toBackend(path, key, section));
  }
  return backends;
}

function toBackend(path: string, key: string, file: Section): BackendConfig {
  const { kind = file.url === undefined ? undefined : 'coordinator', url } = file;
  const at = `backends.${key}`;
  if (kind === 'local' && url === undefined) return { kind, name: key };
  if (key === localBackend.name)
    throw badValue(path, at, key, 'this name is for the local backend');
  if (kind !== 'coordinator' || url === undefined) {
    throw badValue(path, at, kind ?? '', 'give url = "https://…", or kind = "local" without url');
  }
  return {
    kind,
    name: key,
    url: checkUrl(path, `${at}.url`, url, file.insecure === true),
    fingerprint: file.fingerprint,
    tokenFile: file['token-file'],
  };
}

function checkUrl(path: string, key: string, text: string, insecure: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw badValue(path, key, text, 'give https://HOST[:PORT]');
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw badValue(path, key, text, 'give the host and port alone');
  }
  const isLoopback = /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !isLoopback && !insecure) {
    throw badValue(
      path,
      key,
      text,
      'the token would cross the network unprotected: use https, or insecure = true',
    );
  }
  return url.origin;
}
