// The user's name at a coordinator, and the files with tokens and passwords.
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { readSecretFile, readTrustedFile } from '../../files/private-file.ts';
import { readOptional } from './config.ts';

interface UserQuery {
  readonly env: NodeJS.ProcessEnv;
  readonly platform: string;
  readonly configDir: string;
  /** `--user` or its variable. */
  readonly flagUser?: string | undefined;
  readonly configUser?: string | undefined;
}

/** The user's name; a file `user-<name>.user` holds another to use in its place, as with Go's gomote. */
export function resolveUser(query: UserQuery): string {
  const { env, platform, configDir } = query;
  const own = platform === 'win32' ? env.USERNAME : env.USER;
  const user = checkUser(
    query.flagUser || query.configUser || asUserName(own || '') || asUserName(systemUser()),
  );
  const path = join(configDir, `user-${user}.user`);
  const other = readOptional(path, (file) => readTrustedFile(file).toString());
  return other === undefined ? user : checkUser(other.trim(), ` (in ${path})`);
}

/** The name of the process's user, for jobs that run without $USER. */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** Converts the system's user name, which may be `DOMAIN\name` or `name@domain`, with letters of any language. */
const asUserName = (name: string): string =>
  name
    .normalize('NFKD')
    .replaceAll(/\p{Mn}/gu, '')
    .replaceAll('ß', 'ss')
    .replaceAll(/[^\w.-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');

function checkUser(user: string, where = ''): string {
  if (/^[\w.-]+$/.test(user)) return user;
  const message = user === '' ? `no user name is known${where}` : `bad user name "${user}"${where}`;
  throw new GomoteError('ERR_USAGE', message, { hint: 'give --user NAME or set GOMOTE_USER' });
}

interface TokenQuery {
  readonly configDir: string;
  readonly user: string;
  readonly backendName: string;
  /** Only the default backend's token may lie in a file that names no backend. */
  readonly isDefaultBackend: boolean;
  readonly tokenFile?: string | undefined;
}

/** The user's token for a coordinator. Throws ERR_CONFIG, never with the token in the message. */
export function readToken(query: TokenQuery): string {
  const paths = tokenPaths(query);
  for (const path of paths) {
    const token = readOptionalLine(path);
    if (token !== undefined) return token;
  }
  throw new GomoteError(
    'ERR_CONFIG',
    `no token for user "${query.user}" on backend "${query.backendName}": there is no file ${paths.join(' or ')}`,
    { hint: 'put the token there, with mode 600' },
  );
}

/** Where `gomote login` keeps a token. */
export const tokenPath = (directory: string, backend: string, user: string): string =>
  join(directory, `${backend}-user-${user}.token`);

function tokenPaths(query: TokenQuery): string[] {
  const { configDir, user, backendName, isDefaultBackend, tokenFile } = query;
  if (tokenFile !== undefined) return [tokenFile];
  const own = tokenPath(configDir, backendName, user);
  const shared = join(configDir, `user-${user}.token`);
  return isDefaultBackend && backendName !== 'staging' ? [own, shared] : [own];
}

/** The secret in a file that the user named as `what`; throws ERR_CONFIG. */
export function readSecretLine(what: string, path: string): string {
  const secret = readOptionalLine(path);
  if (secret !== undefined) return secret;
  throw new GomoteError('ERR_CONFIG', `${what} ${path} is missing`, { hint: 'check the path' });
}

/** The single line of a file that only its owner can read; undefined when it does not exist. */
function readOptionalLine(path: string): string | undefined {
  const text = readOptional(path, readSecretFile);
  if (text === undefined) return undefined;
  const secret = text.trim();
  if (secret === '' || /\p{Cc}/u.test(secret)) {
    const what = secret === '' ? 'is empty' : 'holds more than one line';
    throw new GomoteError('ERR_CONFIG', `${path} ${what}`, {
      hint: 'write the one secret into it',
    });
  }
  return secret;
}
