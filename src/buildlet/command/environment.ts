// The environment a command gets: a small base, plus what the request adds. docs/environment.md has it for users.
import { userInfo } from 'node:os';
import { type ExecRequest, expandPath } from '../../protocol/exec.ts';

/** Without a prototype: a variable may be named `__proto__`. */
export type Environment = Record<string, string>;

const environmentOf = (...from: readonly Environment[]): Environment =>
  Object.assign(Object.create(null), ...from);

/** Identifies the work directory and the command in the environment of all its processes, so that they can be found. */
export const commandVariable = 'GOMOTE_COMMAND';

/** The variables that commands get from the environment in which the buildlet was started. */
const baseVariables = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ'];
/** The second tells Go's build scripts the kind of machine. */
const basePrefixes = ['LC_', 'GO_BUILDER_'];

export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Variables that each buildlet and command gets its own values of. */
const placeholders = { PWD: '/', TMPDIR: '/tmp' };

/**
 * The part of an environment that every command gets. Everything else that the starter's shell, make, git or package manager
 * set concerns another directory or another job.
 */
export function cleanEnvironment(own: NodeJS.ProcessEnv): Environment {
  const environment = environmentOf({ PATH: defaultPath }, accountVariables(), placeholders);
  for (const [name, value] of Object.entries(own)) {
    const isBase =
      baseVariables.includes(name) || basePrefixes.some((prefix) => name.startsWith(prefix));
    if (isBase && value) environment[name] = value;
  }
  return environment;
}

/** The system's record of this user. */
function accountVariables(): Environment {
  try {
    const { username, homedir, shell } = userInfo();
    return { HOME: homedir, USER: username, LOGNAME: username, ...(shell && { SHELL: shell }) };
  } catch {
    // In a container, the user may have only an id.
    return {};
  }
}

/** The prefix for variables that are meant for commands, not for the buildlet's own Node and its loader. */
export const forCommandsPrefix = 'GOMOTE_FOR_COMMANDS_';

/** A complete environment, with defaults for what commands need. */
export function inheritedEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...cleanEnvironment(own), ...own };
  for (const [name, value] of Object.entries(own)) {
    if (!name.startsWith(forCommandsPrefix)) continue;
    delete environment[name];
    environment[name.slice(forCommandsPrefix.length)] = value;
  }
  return environment;
}

/**
 * The environment that every command starts from, with the variables that a Go buildlet sets. `META_*`, by which a buildlet gets its
 * password and key, is never in it. TMPDIR, if present, becomes `temporary`.
 */
export function baseEnvironment(
  own: NodeJS.ProcessEnv,
  workDir: string,
  temporary: string,
): Environment {
  const environment = environmentOf();
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !name.startsWith('META_')) environment[name] = value;
  }
  if (environment.TMPDIR !== undefined) environment.TMPDIR = temporary;
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
  const environment = environmentOf(base);
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
