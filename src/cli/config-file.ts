// Reads and checks the text of config.toml.
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { type BuilderType, builtInCatalogue, type HostType } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { type BackendConfig, type Config, localBackend } from './config.ts';

const name = v.pipe(
  v.string(),
  v.regex(/^[\w.-]+$/, 'a name has letters, digits, ".", "_" and "-" only'),
);
const environmentPair = v.pipe(v.string(), v.regex(/^[^=\0]+=/, 'an env element is KEY=VALUE'));
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

const schema = v.strictObject({
  default: v.optional(name),
  user: v.optional(name),
  backends: v.optional(
    v.record(
      name,
      v.strictObject({
        kind: v.optional(v.picklist(['local', 'coordinator'], 'kind is "local" or "coordinator"')),
        url: v.optional(v.string()),
        fingerprint: v.optional(fingerprint),
        'token-file': v.optional(v.string()),
        insecure: v.optional(v.boolean()),
      }),
    ),
    {},
  ),
  hosts: v.optional(v.record(name, v.strictObject({ description: v.optional(v.string()) })), {}),
  builders: v.optional(
    v.record(
      name,
      v.strictObject({
        host: name,
        env: v.optional(v.array(environmentPair), []),
        path: v.optional(v.array(v.string())),
      }),
    ),
    {},
  ),
});

type ConfigFile = v.InferOutput<typeof schema>;

/** The configuration in the file's bytes; throws ERR_CONFIG, naming the file, the key and the value. */
export function parseConfig(path: string, bytes: Uint8Array): Config {
  const file = check(path, parseToml(path, bytes));
  const backends = new Map([[localBackend.name, localBackend]]);
  for (const [key, backend] of Object.entries(file.backends)) {
    backends.set(key, toBackend(path, key, backend));
  }
  const defaultBackend = file.default ?? localBackend.name;
  if (!backends.has(defaultBackend)) {
    const known = [...backends.keys()].join(', ');
    throw bad(path, 'default', defaultBackend, `there is no such backend; there are: ${known}`);
  }
  return { defaultBackend, user: file.user, backends, catalogue: toCatalogue(path, file) };
}

function parseToml(path: string, bytes: Uint8Array): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const place = error instanceof TomlError ? `${path}:${error.line}:${error.column}` : path;
    const [reason = ''] = error instanceof Error ? error.message.split('\n', 1) : [];
    throw new GomoteError('ERR_CONFIG', `${place}: ${reason}`, { hint: 'mend it', cause: error });
  }
}

function check(path: string, value: unknown): ConfigFile {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    throw new GomoteError('ERR_CONFIG', `${path}: unknown key ${key}`, { hint: 'see docs/cli.md' });
  }
  throw bad(path, key, issue.input, issue.message);
}

function toBackend(path: string, key: string, file: ConfigFile['backends'][string]): BackendConfig {
  const { kind = file.url === undefined ? undefined : 'coordinator', url } = file;
  const at = `backends.${key}`;
  if (kind === 'local' && url === undefined) return { kind, name: key };
  if (key === localBackend.name) throw bad(path, at, key, 'this name is for the local backend');
  if (kind !== 'coordinator' || url === undefined) {
    throw bad(path, at, kind ?? '', 'give url = "https://…", or kind = "local" without url');
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
    throw bad(path, key, text, 'give https://HOST[:PORT]');
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw bad(path, key, text, 'give the host and port alone');
  }
  const isLoopback = /^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !isLoopback && !insecure) {
    throw bad(
      path,
      key,
      text,
      'the token would cross the network unprotected: use https, or insecure = true',
    );
  }
  return url.origin;
}

function toCatalogue(path: string, file: ConfigFile): Config['catalogue'] {
  const hosts: HostType[] = [...builtInCatalogue.hosts];
  for (const [key, { description }] of Object.entries(file.hosts)) {
    if (hosts.some((host) => host.name === key))
      throw bad(path, `hosts.${key}`, key, 'it is built in');
    hosts.push({ name: key, description });
  }
  const builders: BuilderType[] = [...builtInCatalogue.builders];
  for (const [key, { host, env, path: elements }] of Object.entries(file.builders)) {
    const at = `builders.${key}`;
    if (builders.some((builder) => builder.name === key))
      throw bad(path, at, key, 'it is built in');
    if (!hosts.some((candidate) => candidate.name === host)) {
      const known = hosts.map((candidate) => candidate.name).join(', ');
      throw bad(path, `${at}.host`, host, `there is no such host type; there are: ${known}`);
    }
    builders.push({ name: key, hostType: host, env, path: elements });
  }
  return { hosts, builders };
}

function bad(path: string, key: string, value: unknown, why: string): GomoteError {
  const shown = JSON.stringify(value) ?? 'absent';
  return new GomoteError('ERR_CONFIG', `${path}: ${key}: ${shown}: ${why}`, {
    hint: 'mend the file',
  });
}
