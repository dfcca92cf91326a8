// The directories of this user: home, configuration, state, caches, temporary files.
import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `$HOME`, or, when that is not set, what the system's user database has. Throws ERR_CONFIG for any but an absolute path. */
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
 * The directory in a variable such as XDG_STATE_HOME; `below` the home directory when it is not set or empty. What is
 * missing there may be made, but never the home directory itself: throws ERR_CONFIG when that is not there.
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

/** `$TMPDIR`, else /tmp. Throws ERR_CONFIG when that is no directory. */
export function temporaryDirectory(environment: Environment): string {
  const { TMPDIR } = environment;
  return existingDirectory('TMPDIR', TMPDIR ? absolute('TMPDIR', TMPDIR) : '/tmp');
}

/** The path, which the variable has or stands for. Throws ERR_CONFIG when no directory is there. */
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
    // As after `su`, with a variable of the user before.
    return `cannot be used: ${errnoText(errnoOf(error) ?? String(error))}`;
  }
}

function absolute(name: string, path: string): string {
  if (isAbsolute(path)) return path;
  const problem = path === '' ? 'is empty' : `"${path}" is not an absolute path`;
  throw new GomoteError('ERR_CONFIG', `${name} ${problem}`, {
    hint: `set ${name} to an absolute path`,
  });
}
