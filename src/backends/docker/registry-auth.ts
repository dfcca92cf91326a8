// The credentials for an image's registry, as stored by `docker login`.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import * as v from 'valibot';
import { GomoteError, messageOf } from '../../errors.ts';
import { readDockerConfig } from './location.ts';

const dockerHub = 'https://index.docker.io/v1/';

/** The value of X-Registry-Auth; undefined when there is no login. */
export async function registryAuth(
  image: string,
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const config = readDockerConfig(environment);
  const server = registryOf(image);
  const helper = config.credHelpers?.[server] ?? config.credsStore;
  const login =
    helper === undefined
      ? fileLogin(config.auths?.[server])
      : await askHelper(helper, server, environment);
  if (login === undefined) return undefined;
  const bytes = Buffer.from(JSON.stringify({ ...login, serveraddress: server }));
  // URL-safe base64, but with padding, which engines require.
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** The registry's name in docker's configuration. */
function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return isHost && first !== 'docker.io' ? first : dockerHub;
}

type Login = { username: string; password: string } | { identitytoken: string };

function fileLogin(
  entry: NonNullable<ReturnType<typeof readDockerConfig>['auths']>[string] | undefined,
): Login | undefined {
  if (entry?.identitytoken) return { identitytoken: entry.identitytoken };
  const decoded = Buffer.from(entry?.auth ?? '', 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon > 0) return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
  const { username, password } = entry ?? {};
  return username && password ? { username, password } : undefined;
}

const helperReply = v.object({ Username: v.string(), Secret: v.string() });

/** Asks docker's credential helper, such as docker-credential-pass. It has nothing for a registry without a login. */
async function askHelper(
  helper: string,
  server: string,
  environment: NodeJS.ProcessEnv,
): Promise<Login | undefined> {
  const program = `docker-credential-${helper}`;
  const child = spawn(program, ['get'], { env: environment, stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.on('error', () => undefined).end(server);
  try {
    const [reply, code] = await Promise.race([Promise.all([text(child.stdout), ended]), failed]);
    if (code !== 0) return undefined;
    const { Username, Secret } = v.parse(helperReply, JSON.parse(reply));
    return Username === '<token>'
      ? { identitytoken: Secret }
      : { username: Username, password: Secret };
  } catch (error) {
    throw new GomoteError(
      'ERR_CONFIG',
      `cannot ask ${program} for the login: ${messageOf(error)}`,
      {
        hint: "docker's config.json names it; install it, or take it out there",
        cause: error,
      },
    );
  }
}
