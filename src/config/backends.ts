// The sections [backends.NAME]: where buildlets come from.
import * as v from 'valibot';
import { fingerprintDigits, fingerprintPattern } from '../fingerprint.ts';
import { badValue, namedValues, nameSchema } from './file.ts';
import { type GceConfig, gceBackend, toGceConfig } from './gce.ts';
import { type KubernetesConfig, kubernetesBackend, toKubernetesConfig } from './kubernetes.ts';

export type BackendConfig =
  | {
      readonly kind: 'local';
      readonly name: string;
      /** Whether commands get all of the environment in which their buildlet was created. */
      readonly inheritEnv?: boolean | undefined;
    }
  | {
      readonly kind: 'coordinator';
      readonly name: string;
      /** Origin only. */
      readonly url: string;
      /** Lower-case hex SHA-256 of the one certificate accepted. */
      readonly fingerprint?: string | undefined;
      readonly tokenFile?: string | undefined;
      /** Who the user is there, in place of the name everywhere else. */
      readonly user?: string | undefined;
    }
  | KubernetesConfig
  | GceConfig;

/** The backend that needs no configuration. */
export const localBackend: BackendConfig = { kind: 'local', name: 'local' };

const fingerprint = v.pipe(
  v.string(),
  v.transform(fingerprintDigits),
  v.regex(fingerprintPattern, 'a fingerprint is sha256: and 64 hexadecimal digits'),
);

const schemas = {
  local: v.strictObject({ kind: v.literal('local'), 'inherit-env': v.optional(v.boolean()) }),
  coordinator: v.strictObject({
    kind: v.optional(v.literal('coordinator'), 'coordinator'),
    url: v.string(),
    fingerprint: v.optional(fingerprint),
    'token-file': v.optional(v.string()),
    user: v.optional(nameSchema),
    insecure: v.optional(v.boolean()),
  }),
  kubernetes: kubernetesBackend,
  gce: gceBackend,
};

type Section = v.InferOutput<(typeof schemas)[keyof typeof schemas]>;

const kinds = Object.keys(schemas).map((kind) => `"${kind}"`);
const unknownKind = v.strictObject({
  kind: v.picklist(Object.keys(schemas), `kind is one of ${kinds.join(', ')}`),
});

/** The schema of the section's kind; a section with a url and no kind is a coordinator. */
function schemaOf(section: unknown): v.GenericSchema<unknown, Section> {
  const given = v.safeParse(v.object({ kind: v.picklist(Object.keys(schemas)) }), section);
  const hasUrl = v.is(v.object({ kind: v.optional(v.undefined()), url: v.unknown() }), section);
  const kind = given.success ? given.output.kind : hasUrl ? 'coordinator' : undefined;
  return (schemas[kind as keyof typeof schemas] ?? unknownKind) as v.GenericSchema<
    unknown,
    Section
  >;
}

export const backendsSchema = v.optional(namedValues(nameSchema, v.lazy(schemaOf)), {});

/** The backends of the file at `path`, and the local one; throws ERR_CONFIG. */
export function toBackends(
  path: string,
  sections: v.InferOutput<typeof backendsSchema>,
): Map<string, BackendConfig> {
  const backends = new Map([[localBackend.name, localBackend]]);
  for (const [key, section] of sections) {
    backends.set(key, toBackend(path, key, section));
  }
  return backends;
}

function toBackend(path: string, name: string, file: Section): BackendConfig {
  const at = `backends.${name}`;
  if (name === localBackend.name && file.kind !== 'local') {
    throw badValue(path, at, name, 'this name is for the local backend');
  }
  switch (file.kind) {
    case 'local':
      return { kind: file.kind, name, inheritEnv: file['inherit-env'] };
    case 'kubernetes':
      return toKubernetesConfig(name, file);
    case 'gce':
      return toGceConfig(name, file);
    case 'coordinator':
      return {
        kind: file.kind,
        name,
        url: checkUrl(path, `${at}.url`, file.url, file.insecure === true),
        fingerprint: file.fingerprint,
        tokenFile: file['token-file'],
        user: file.user,
      };
  }
}

/** The origin of a coordinator's URL; throws ERR_CONFIG, naming the file and key. */
export function checkUrl(path: string, key: string, text: string, insecure: boolean): string {
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
