// The table of commands, in the groups and the order of `gomote -h`.
import type { Command } from 'commander';
import type { Context } from './context.ts';

interface CommandModule {
  define(command: Command, context: Context): void;
  /** Rewrites the words after the command's name into a form that commander parses. */
  rewrite?(args: readonly string[]): string[];
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** Whether its exit codes below 125 are those of a remote command. */
  readonly isRun?: boolean;
  /** Whether a remote command follows the first operand, whose options are not parsed. */
  readonly takesCommand?: boolean;
  /**
   * Whether its first argument is a buildlet that may be omitted, and what several mean: `each` is
   * handled separately, all are passed as a list, or several are refused. Absent: it reads its arguments itself.
   */
  readonly buildlets?: 'each' | 'list' | 'one';
  /** The option, by commander's name, that makes it work without a buildlet. */
  readonly noneWith?: string;
}

const entry = (
  name: string,
  summary: string,
  load: CommandEntry['load'],
  more: Omit<CommandEntry, 'name' | 'summary' | 'load'> = {},
): CommandEntry => ({ name, summary, load, ...more });

const each = { buildlets: 'each' } as const;
const one = { buildlets: 'one' } as const;
const runOnEach = { ...each, isRun: true } as const;
const commandOnOne = { ...one, isRun: true, takesCommand: true } as const;

const machines: readonly CommandEntry[] = [
  entry('create', 'create a buildlet; print its name', () => import('./commands/create.ts')),
  entry('list', 'list your buildlets', () => import('./commands/list.ts')),
  entry('types', 'list the builder types', () => import('./commands/types.ts')),
  entry('ping', 'test whether a buildlet answers', () => import('./commands/ping.ts'), each),
  entry('extend', 'give a buildlet more time', () => import('./commands/extend.ts'), each),
  entry(
    'snapshot',
    'keep what is in a work directory for later buildlets',
    () => import('./commands/snapshot.ts'),
  ),
  entry(
    'cache',
    'list and purge directories that outlive buildlets',
    () => import('./commands/cache.ts'),
  ),
  entry(
    'fork',
    "create buildlets with another's work directory",
    () => import('./commands/fork.ts'),
    one,
  ),
  entry('use', 'choose the buildlet of this project', () => import('./commands/use.ts')),
  entry('group', 'manage groups of buildlets', () => import('./commands/group.ts')),
  entry('destroy', 'destroy buildlets', () => import('./commands/destroy.ts')),
  entry(
    'reap',
    'remove what is left of buildlets that have ended',
    () => import('./commands/reap.ts'),
  ),
];

const files: readonly CommandEntry[] = [
  entry('cp', 'copy between this machine and buildlets', () => import('./commands/cp.ts')),
  entry(
    'push',
    'send this tree; remove what was sent and is gone here',
    () => import('./commands/push.ts'),
    { buildlets: 'list', noneWith: 'dryRun' },
  ),
  entry(
    'pull',
    'fetch files from a buildlet; nothing is deleted here',
    () => import('./commands/pull.ts'),
    each,
  ),
  entry(
    'diff',
    'list what commands have made of what was pushed',
    () => import('./commands/diff.ts'),
    each,
  ),
  entry('ls', 'list files on a buildlet', () => import('./commands/ls.ts'), each),
  entry('get', 'get a file of a buildlet', () => import('./commands/get.ts'), each),
  entry('put', 'put a file on a buildlet', () => import('./commands/put.ts'), each),
  entry(
    'gettar',
    'get a directory of a buildlet as .tar.gz',
    () => import('./commands/gettar.ts'),
    each,
  ),
  entry(
    'puttar',
    'extract a .tar.gz or a directory on a buildlet',
    () => import('./commands/puttar.ts'),
    each,
  ),
  entry('rm', 'remove files or directories on a buildlet', () => import('./commands/rm.ts'), each),
];

const runs: readonly CommandEntry[] = [
  entry(
    'once',
    'make a buildlet, push this tree, run a command, end it',
    () => import('./commands/once.ts'),
    { isRun: true },
  ),
  entry('job', 'run a job of the project’s file, as once does', () => import('./commands/job.ts'), {
    isRun: true,
  }),
  entry('run', 'run a command on a buildlet', () => import('./commands/run.ts'), {
    isRun: true,
    takesCommand: true,
    buildlets: 'each',
  }),
  entry(
    'exec-wrapper',
    'run a program of this machine on a buildlet, for go test, cargo and CMake',
    () => import('./commands/exec-wrapper.ts'),
    { isRun: true, takesCommand: true },
  ),
  entry(
    'watch',
    'push this tree and run a command, again whenever it changes',
    () => import('./commands/watch.ts'),
    commandOnOne,
  ),
  entry('shell', 'a shell on a buildlet', () => import('./commands/shell.ts'), commandOnOne),
  entry(
    'forward',
    'carry ports of a buildlet here, or of this machine there',
    () => import('./commands/forward.ts'),
    one,
  ),
  entry(
    'proxy',
    'join standard input and output to a port of a buildlet',
    () => import('./commands/proxy.ts'),
    one,
  ),
  entry(
    'ssh-config',
    'let ssh, scp, rsync and editors reach buildlets',
    () => import('./commands/ssh-config.ts'),
  ),
  entry(
    'ssh-proxy',
    'speak SSH for a buildlet, as the ProxyCommand of ssh',
    () => import('./commands/ssh-proxy.ts'),
  ),
  entry('ssh', 'the same as shell', () => import('./commands/shell.ts'), commandOnOne),
  entry('ps', 'list the runs of a buildlet', () => import('./commands/ps.ts'), each),
  entry(
    'logs',
    'print the output of a run, also of one that is over',
    () => import('./commands/logs.ts'),
    each,
  ),
  entry(
    'attach',
    'watch a run of a buildlet to its end',
    () => import('./commands/attach.ts'),
    runOnEach,
  ),
  entry(
    'wait',
    'wait for the end of runs of a buildlet',
    () => import('./commands/wait.ts'),
    runOnEach,
  ),
  entry('kill', 'send a signal to runs of a buildlet', () => import('./commands/kill.ts'), each),
];

const team: readonly CommandEntry[] = [
  entry('login', 'make a coordinator a backend', () => import('./commands/login.ts')),
  entry('logout', 'forget a coordinator and its token', () => import('./commands/logout.ts')),
  entry('whoami', 'print who you are in each backend', () => import('./commands/whoami.ts')),
];

const others: readonly CommandEntry[] = [
  entry('ci', 'what CI systems call', () => import('./commands/ci.ts')),
  entry(
    'doctor',
    'find what keeps gomote from working, and the cure',
    () => import('./commands/doctor.ts'),
  ),
  entry(
    'completion',
    'print the script that completes command lines',
    () => import('./commands/completion.ts'),
  ),
  entry('init', 'write a .gomote.toml for this project', () => import('./commands/init.ts')),
  entry(
    'mcp',
    'give machines to an agent, by the Model Context Protocol',
    () => import('./commands/mcp.ts'),
  ),
  entry('version', 'print the version', () => import('./commands/version.ts')),
];

export const otherGroup = 'Other:';

export const commandGroups: readonly { title: string; commands: readonly CommandEntry[] }[] = [
  { title: 'Machines:', commands: machines },
  { title: 'Files:', commands: files },
  { title: 'Commands:', commands: runs },
  { title: 'Team:', commands: team },
  { title: otherGroup, commands: others },
];

export const commands: readonly CommandEntry[] = commandGroups.flatMap((group) => group.commands);
