// What git ignores in a directory, as git itself says: one process for the whole tree.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { timeoutSignal } from '../timeout-signal.ts';

/** How long git may take, in ms. */
const deadlineMs = 60_000;

/** The directory with `.git` that the directory is in; undefined when there is none. */
export function gitWorkTree(directory: string): string | undefined {
  if (existsSync(join(directory, '.git'))) return directory;
  const parent = dirname(directory);
  return parent === directory ? undefined : gitWorkTree(parent);
}

export interface AskGitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: a minute. */
  readonly timeoutMs?: number | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/**
 * The paths below `directory` that git ignores, a directory's ending in `/`. Throws ERR_LOCAL_FILE when git cannot say,
 * ERR_TIMEOUT when it takes too long.
 */
export async function askGit(directory: string, options: AskGitOptions = {}): Promise<Set<string>> {
  const { spawn } = await import('node:child_process');
  const { buffer } = await import('node:stream/consumers');
  const { timeoutMs = deadlineMs } = options;
  const args = ['ls-files', '-z', '--others', '--ignored', '--exclude-standard', '--directory'];
  const deadline = timeoutSignal(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const child = spawn('git', args, {
    cwd: directory,
    env: { ...(options.environment ?? process.env), LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  const code = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  try {
    const [stdout, stderr, status] = await Promise.all([
      buffer(child.stdout),
      buffer(child.stderr),
      code,
    ]);
    const said = stderr.toString().trim();
    // An ignore file that it cannot read is only a warning to git.
    if (status !== 0 || /^(?:warning|error|fatal):/m.test(said)) throw cannotSay(directory, said);
    return ignoredPaths(stdout.toString().split('\0'));
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    options.signal?.throwIfAborted();
    if (deadline.aborted) {
      throw new GomoteError(
        'ERR_TIMEOUT',
        `git did not say in ${timeoutMs / 1000} s what it ignores in ${directory}`,
        { hint: 'give --no-ignore to send everything', cause: error },
      );
    }
    const reason = errnoOf(error) === 'ENOENT' ? 'there is no git on PATH' : String(error);
    throw cannotSay(directory, reason, error);
  }
}

const cannotSay = (directory: string, said: string, cause?: unknown): GomoteError =>
  new GomoteError(
    'ERR_LOCAL_FILE',
    `git cannot say what it ignores in ${directory}: ${said.split('\n')[0]}`,
    { hint: 'mend that, or give --no-ignore to send everything', cause },
  );

function ignoredPaths(lines: readonly string[]): Set<string> {
  const paths = new Set(lines.filter((line) => line !== ''));
  // The directory itself is ignored by the work tree that it is in: it was asked for all the same.
  if (paths.has('./')) return new Set();
  // A directory that holds nothing but ignored files is listed before them, though it is not ignored itself.
  for (const path of [...paths]) {
    for (let slash = path.lastIndexOf('/', path.length - 2); slash > 0; ) {
      paths.delete(path.slice(0, slash + 1));
      slash = path.lastIndexOf('/', slash - 1);
    }
  }
  return paths;
}
