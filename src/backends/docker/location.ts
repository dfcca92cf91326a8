// Finds the engine in the way the docker command does.
import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { GomoteError, isErrno, isGomoteError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { readTrustedFile } from '../../files/private-file.ts';
import { homeDirectory } from '../../files/user-directories.ts';
import { withoutBrackets } from '../../http/client/server-address.ts';
import type { Trust } from '../../http/client/tls.ts';

export type EngineLocation = {
  /** As typed, such as `unix:///var/run/docker.sock`. */
  readonly url: string;
} & (
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly origin: string; readonly trust: Trust }
  | { readonly kind: 'ssh'; readonly args: readonly string[] }
);

interface LocationSettings {
  /** Settings that override the environment and docker's own configuration. */
  readonly host?: string | undefined;
  readonly context?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

const defaultHost = 'unix:///var/run/docker.sock';

/** Throws ERR_CONFIG when the configuration cannot be read, or does not name an engine. */
export function findEngine({ host, context, environment }: LocationSettings): EngineLocation {
  if (host !== undefined) return locate(host, 'host', environmentTls(environment));
  if (context !== undefined) return contextLocation(context, environment);
  if (environment.DOCKER_HOST) {
    return locate(environment.DOCKER_HOST, 'DOCKER_HOST', environmentTls(environment));
  }
  const current = environment.DOCKER_CONTEXT || readDockerConfig(environment).currentContext;
  if (current && current !== 'default') return contextLocation(current, environment);
  return locate(defaultHost, 'the default', undefined);
}

/** docker's configuration directory. */
const configDirectory = (environment: NodeJS.ProcessEnv): string =>
  environment.DOCKER_CONFIG || join(homeDirectory(environment), '.docker');

const dockerConfig = v.object({
  currentContext: v.optional(v.string()),
  credsStore: v.optional(v.string()),
  credHelpers: v.optional(v.record(v.string(), v.string())),
  auths: v.optional(
    v.record(
      v.string(),
      v.object({
        auth: v.optional(v.string()),
        identitytoken: v.optional(v.string()),
        username: v.optional(v.string()),
        password: v.optional(v.string()),
      }),
    ),
  ),
});

/** docker's config.json; empty when there is none. Throws ERR_CONFIG when it cannot be read. */
export function readDockerConfig(
  environment: NodeJS.ProcessEnv,
): v.InferOutput<typeof dockerConfig> {
  const path = join(configDirectory(environment), 'config.json');
  return readJson(path, dockerConfig) ?? {};
}

const contextMeta = v.object({
  Name: v.string(),
  Endpoints: v.object({
    docker: v.object({
      Host: v.optional(v.string()),
      SkipTLSVerify: v.optional(v.boolean()),
    }),
  }),
});

function contextLocation(name: string, environment: NodeJS.ProcessEnv): EngineLocation {
  if (name === 'default') return locate(defaultHost, 'the default', undefined);
  const directory = join(configDirectory(environment), 'contexts');
  const id = createHash('sha256').update(name).digest('hex');
  const meta = readJson(join(directory, 'meta', id, 'meta.json'), contextMeta);
  if (meta === undefined) {
    throw new GomoteError('ERR_CONFIG', `docker has no context "${name}"`, {
      hint: 'see docker context ls, or set DOCKER_HOST',
    });
  }
  const { Host = defaultHost, SkipTLSVerify } = meta.Endpoints.docker;
  const tls = join(directory, 'tls', id, 'docker');
  const trust = readTls(tls, SkipTLSVerify === true);
  return locate(Host, `context "${name}"`, trust.caPem || trust.identity ? trust : undefined);
}

/** The TLS settings of DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH; undefined when TLS is not requested. */
function environmentTls(environment: NodeJS.ProcessEnv): Trust | undefined {
  const { DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH } = environment;
  if (!DOCKER_TLS_VERIFY && !DOCKER_TLS) return undefined;
  return readTls(DOCKER_CERT_PATH || configDirectory(environment), !DOCKER_TLS_VERIFY);
}

function readTls(directory: string, isUnchecked: boolean): Trust {
  const [caPem, certPem, keyPem] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) =>
    readIfThere(join(directory, name)),
  );
  const identity = certPem === undefined || keyPem === undefined ? undefined : { certPem, keyPem };
  return { caPem, identity, isUnchecked };
}

/** @param source Where the address was found, for messages. */
function locate(address: string, source: string, tls: Trust | undefined): EngineLocation {
  const bad = (why: string) =>
    new GomoteError('ERR_CONFIG', `${source}: ${JSON.stringify(address)} ${why}`, {
      hint: 'give unix:///PATH, tcp://HOST:PORT or ssh://[USER@]HOST',
    });
  if (address.startsWith('unix://')) {
    const path = address.slice('unix://'.length);
    if (!isAbsolute(path)) throw bad('is not an absolute path');
    return { kind: 'unix', url: address, path };
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || url.hostname === '') throw bad('is not the address of an engine');
  switch (url.protocol) {
    case 'tcp:':
    case 'http:':
    case 'https:': {
      if (!['', '/'].includes(url.pathname)) throw bad('has a path');
      const isTls = tls !== undefined || url.protocol === 'https:';
      const port = url.port || (isTls ? '2376' : '2375');
      const origin = `${isTls ? 'https' : 'http'}://${url.hostname}:${port}`;
      return { kind: 'tcp', url: address, origin, trust: tls ?? {} };
    }
    case 'ssh:':
      if (url.password !== '') throw bad('has a password, which ssh does not take');
      return { kind: 'ssh', url: address, args: sshArgs(url, bad) };
    default:
      throw bad('is not the address of an engine that can be reached from here');
  }
}

/** The engine's own command there joins its standard input and output to the engine's socket. */
function sshArgs(url: URL, bad: (why: string) => GomoteError): string[] {
  const user = decodeURIComponent(url.username);
  // ssh would parse it as an option.
  if (`${user}`.startsWith('-') || url.hostname.startsWith('-'))
    throw bad('is not the name of a host');
  const socket = ['', '/'].includes(url.pathname) ? [] : ['--host', `unix://${url.pathname}`];
  return [
    ...['-o', 'ConnectTimeout=30', '-T'],
    ...(user === '' ? [] : ['-l', user]),
    ...(url.port === '' ? [] : ['-p', url.port]),
    ...['--', withoutBrackets(url.hostname)],
    ...['docker', ...socket, 'system', 'dial-stdio'],
  ];
}

/** The file names programs to run and hosts to trust: nobody else may have written it. */
function readIfThere(path: string): string | undefined {
  try {
    return readTrustedFile(path).toString();
  } catch (error) {
    if (isGomoteError(error)) throw error;
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw unreadable(path, error);
  }
}

function readJson<T extends v.GenericSchema>(
  path: string,
  schema: T,
): v.InferOutput<T> | undefined {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, error: unknown): GomoteError =>
  new GomoteError('ERR_CONFIG', `cannot read ${path}: ${reasonOf(error)}`, {
    hint: 'correct the file: docker reads it, too',
    cause: error,
  });
