// The directories of this user: home, configuration, state, caches, temporary files.
import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { GomoteError } from '../errors.ts';
import { reasonOf } from './local-error.ts';
import { checkDirectory } from './private-directory.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$HOME`, or else the directory in the user database. Throws ERR_CONFIG when it is not an absolute path. */
export function homeDirectory(environment: Environment): string {
  const { HOME } = environment;
  if (HOME !== undefined) return absolute('HOME', HOME);
  try {
    return absolute('the home directory', userInfo().homedir);
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', 'no home directory is known', {
      hint: 'set HOME',
      cause: error,
    });
  }
}

/**
 * The directory in a variable such as XDG_STATE_HOME; `below` the home directory when it is unset or empty. Missing
 * directories may be created, but never the home directory itself: throws ERR_CONFIG when that does not exist.
 */
export function userDirectory(
  environment: Environment,
  variable: string,
  ...below: readonly string[]
): string {
  const value = environment[variable];
  if (value) return absolute(variable, value);
  return join(existingDirectory('HOME', homeDirectory(environment)), ...below);
}

/** `$TMPDIR`, or /tmp. Throws ERR_CONFIG when that is not a directory. */
export function temporaryDirectory(environment: Environment): string {
  const { TMPDIR } = environment;
  return existingDirectory('TMPDIR', TMPDIR ? absolute('TMPDIR', TMPDIR) : '/tmp');
}

/** Checks the path of the variable. Throws ERR_CONFIG when it is not a directory. */
export function existingDirectory(variable: string, path: string): string {
  const problem = whyNoDirectory(path);
  if (problem === undefined) return path;
  throw new GomoteError('ERR_CONFIG', `${variable} ${path} ${problem}`, {
    hint: `set ${variable} to a directory of yours`,
  });
}

function whyNoDirectory(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return 'does not exist';
    return found.isDirectory() ? undefined : 'is not a directory';
  } catch (error) {
    // For example after `su`, with the variable of another user.
    return `cannot be used: ${reasonOf(error)}`;
  }
}

function absolute(name: string, path: string): string {
  if (isAbsolute(path)) return path;
  const problem = path === '' ? 'is empty' : `"${path}" is not an absolute path`;
  throw new GomoteError('ERR_CONFIG', `${name} ${problem}`, {
    hint: `set ${name} to an absolute path`,
  });
}

/**
 * `gomote` in the user's cache directory, or a directory `below` it; created if it is missing. Undefined where none
 * is safe from other users: then nothing is cached.
 */
export function cacheDirectory(
  environment: NodeJS.ProcessEnv,
  ...below: readonly string[]
): string | undefined {
  try {
    const path = join(placeOf(environment), ...below);
    checkDirectory(path, { what: 'the cache', access: 'private', make: true, links: 'none' });
    return path;
  } catch (error) {
    if (error instanceof GomoteError) return undefined;
    throw error;
  }
}

function placeOf(environment: NodeJS.ProcessEnv): string {
  if (process.platform !== 'win32') {
    return join(userDirectory(environment, 'XDG_CACHE_HOME', '.cache'), 'gomote');
  }
  const { LOCALAPPDATA } = environment;
  const local = LOCALAPPDATA || join(homeDirectory(environment), 'AppData', 'Local');
  return join(local, 'Gomote', 'Cache');
}
