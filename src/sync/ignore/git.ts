// The only place that runs git: git sees only the tree in question, and runs nothing of that tree.
import { closeSync } from 'node:fs';
import { dirname, join, parse, relative } from 'node:path';
import { errnoOf, GomoteError } from '../../errors.ts';
import { existsSync, openSync } from '../../files/named-fs.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';

/** The time limit for git, in ms. */
const defaultTimeoutMs = 60_000;

/** The nearest parent directory with `.git`; undefined when there is none. */
export function gitWorkTree(directory: string): string | undefined {
  if (existsSync(join(directory, '.git'))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : gitWorkTree(parent);
}

export interface GitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: a minute. */
  readonly timeoutMs?: number | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** The name of the directory in messages. Default: its path. */
  readonly shown?: string | undefined;
}

interface GitResult {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Overrides of settings by which a repository could run programs, use the network, or write to the repository. */
const settings = [
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'core.untrackedCache=false',
  'core.pager=cat',
  'core.askPass=true',
  'core.sshCommand=false',
  'core.gitProxy=false',
  'core.alternateRefsCommand=true',
  'credential.helper=',
  'diff.external=',
  'gc.auto=0',
  'maintenance.auto=false',
  'protocol.allow=never',
  'submodule.recurse=false',
];

/** The variables that git gets: where its programs and the user's configuration are. */
const keptVariables = new Set([
  'GIT_EXEC_PATH',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
]);

/** Hooks and `git rebase --exec` set variables that name another repository or index than the tree's. */
function gitEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => {
    const upper = name.toUpperCase();
    return !upper.startsWith('GIT_') || keptVariables.has(upper);
  });
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    GIT_DISCOVERY_ACROSS_FILESYSTEM: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
  };
}

/** The directories that the user's environment declares safe, as CI systems do. */
function safeDirectories(environment: NodeJS.ProcessEnv): string[] {
  const count = Number(environment.GIT_CONFIG_COUNT ?? 0);
  const found: string[] = [];
  for (let index = 0; index < count && environment[`GIT_CONFIG_KEY_${index}`]; index++) {
    const isSafe = environment[`GIT_CONFIG_KEY_${index}`]?.toLowerCase() === 'safe.directory';
    if (isSafe) found.push(`safe.directory=${environment[`GIT_CONFIG_VALUE_${index}`] ?? ''}`);
  }
  return found;
}

/** Runs git in a directory. Throws ERR_LOCAL_FILE when it cannot run, ERR_TIMEOUT when it takes too long. */
export async function runGit(
  directory: string,
  args: readonly string[],
  { input = '', ...options }: GitOptions & { readonly input?: string | Uint8Array } = {},
): Promise<GitResult> {
  const { spawn } = await import('node:child_process');
  const { buffer, text } = await import('node:stream/consumers');
  const { timeoutMs = defaultTimeoutMs, environment = process.env } = options;
  const deadline = timeoutSignal(timeoutMs);
  const signal = options.signal ? anySignal(options.signal, deadline) : deadline;
  const given = [...settings, ...safeDirectories(environment)].flatMap((one) => ['-c', one]);
  // Node passes arguments only as text: a directory whose name is not UTF-8 is passed by its descriptor.
  const openFd = directory.isWellFormed() ? undefined : openSync(directory, 'r');
  const where = openFd === undefined ? directory : `/proc/${process.pid}/fd/${openFd}`;
  const child = spawn('git', ['--no-pager', ...given, '-C', where, ...args], {
    // A relative element of PATH must not lead into the tree.
    cwd: parse(directory).root,
    env: gitEnvironment(environment),
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  const status = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  }).finally(() => openFd !== undefined && closeSync(openFd));
  // git need not read all of its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  try {
    const [stdout, stderr, code] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      status,
    ]);
    return { status: code, stdout, stderr };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (deadline.aborted) {
      throw new GomoteError(
        'ERR_TIMEOUT',
        `git did not answer within ${timeoutMs / 1000} s in ${options.shown ?? directory}`,
        { hint: leaveNothingOut, cause: error },
      );
    }
    const reason = errnoOf(error) === 'ENOENT' ? 'there is no git on PATH' : String(error);
    throw gitError(directory, reason, { ...options, cause: error });
  }
}

/**
 * The paths below `directory` that git ignores, directories with a trailing `/`; incomplete for directories whose `.gitignore`
 * cannot be read. Throws ERR_LOCAL_FILE when git fails, ERR_TIMEOUT when it takes too long.
 */
export async function gitIgnored(
  directory: string,
  options: GitOptions = {},
): Promise<Set<string>> {
  const args = ['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory'];
  const { status, stdout, stderr } = await runGit(directory, args, options);
  // The walk reports directories that git cannot read.
  const said = stderr
    .split('\n')
    .find((line) => /^(?:error|fatal)/.test(line) || isOfRules(line, directory));
  if (status !== 0 || said !== undefined) {
    throw gitError(directory, said ?? stderr.trim(), options);
  }
  return ignoredPaths(nameFromBytes(stdout).split('\0'));
}

/**
 * Those of the paths, relative to the directory, that git ignores, though they need not exist; none outside a repository.
 * Throws as {@link gitIgnored}.
 */
export async function ignoredOf(
  directory: string,
  paths: readonly string[],
  options: GitOptions,
): Promise<string[]> {
  if (paths.length === 0) return [];
  const input = bytesOfName(paths.map((path) => `${path}\0`).join(''));
  const args = ['check-ignore', '-z', '--stdin'];
  const { status, stdout, stderr } = await runGit(directory, args, { ...options, input });
  if (status === 0 || status === 1) return nameFromBytes(stdout).split('\0').filter(Boolean);
  const said = stderr.trim();
  // Something other than a repository may have the name.
  if (said.startsWith('fatal: not a git repository')) return [];
  throw gitError(directory, said, options);
}

/**
 * Whether git warns about unreadable rules other than those of a directory below `directory`, which the walk checks
 * itself. Git does not use links as `.gitignore`, whatever it warns about.
 */
function isOfRules(line: string, directory: string): boolean {
  const [, path, reason] = /^warning: unable to access '(.*)': (.*)/.exec(line) ?? [];
  if (path === undefined) return false;
  const isLink = reason === 'Too many levels of symbolic links';
  if (isLink && /(?:^|\/)\.gitignore$/.test(path)) return false;
  const above = relative(gitWorkTree(directory) ?? directory, directory);
  const start = above === '' ? '' : `${above}/`;
  return !(path.startsWith(start) && path.slice(start.length).endsWith('/.gitignore'));
}

export const leaveNothingOut = 'give --no-ignore to leave nothing out';

function gitError(
  directory: string,
  said: string,
  { shown = directory, cause }: { shown?: string | undefined; cause?: unknown },
): GomoteError {
  const hint = said.includes('dubious ownership')
    ? `if you trust it: git config --global --add safe.directory '${directory}'`
    : `correct that, or ${leaveNothingOut}`;
  const message = `git cannot say what it ignores in ${shown}: ${said.split('\n')[0]}`;
  return new GomoteError('ERR_LOCAL_FILE', message, { hint, cause });
}

function ignoredPaths(lines: readonly string[]): Set<string> {
  const paths = new Set(lines.filter((line) => line !== ''));
  // The directory itself is ignored by its work tree, but was asked for explicitly.
  if (paths.has('./')) return new Set();
  // A directory that contains only ignored files is listed before them, although it is not ignored itself.
  for (const path of [...paths]) {
    for (let slash = path.lastIndexOf('/', path.length - 2); slash > 0; ) {
      paths.delete(path.slice(0, slash + 1));
      slash = path.lastIndexOf('/', slash - 1);
    }
  }
  return paths;
}
