// The environment a command gets: the buildlet's own without its secrets, plus what the request adds.
import { type ExecRequest, expandPath } from '../protocol/exec.ts';

export type Environment = Record<string, string>;

/** Names the work dir and one command in the environment of all its processes, so that they can be found. */
export const commandVariable = 'GOMOTE_COMMAND';

/**
 * What every command starts from: the buildlet's environment without `META_*` (the password and TLS key come
 * that way), with the variables a Go buildlet sets.
 */
export function baseEnvironment(own: NodeJS.ProcessEnv, workDir: string): Environment {
  const environment: Environment = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !name.startsWith('META_')) environment[name] = value;
  }
  environment.WORKDIR = workDir;
  environment.GOROOT_BOOTSTRAP = `${workDir}/go1.4`;
  return environment;
}

/** The base with the request's `env` and `path` applied; the last of equal names wins. */
export function commandEnvironment(
  base: Environment,
  request: Pick<ExecRequest, 'env' | 'path'>,
  workDir: string,
): Environment {
  const environment = { ...base };
  for (const pair of request.env) {
    const equals = pair.indexOf('=');
    if (equals > 0) environment[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  if (request.path !== undefined) {
    const path = expandPath(request.path, environment.PATH, workDir);
    if (path === undefined) delete environment.PATH;
    else environment.PATH = path;
  }
  return environment;
}
