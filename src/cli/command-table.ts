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

const modules = {
  attach: () => import('./commands/attach.ts'),
  cache: () => import('./commands/cache.ts'),
  ci: () => import('./commands/ci.ts'),
  completion: () => import('./commands/completion.ts'),
  cp: () => import('./commands/cp.ts'),
  create: () => import('./commands/create.ts'),
  destroy: () => import('./commands/destroy.ts'),
  diff: () => import('./commands/diff.ts'),
  doctor: () => import('./commands/doctor.ts'),
  'exec-wrapper': () => import('./commands/exec-wrapper.ts'),
  extend: () => import('./commands/extend.ts'),
  fork: () => import('./commands/fork.ts'),
  forward: () => import('./commands/forward.ts'),
  get: () => import('./commands/get.ts'),
  gettar: () => import('./commands/gettar.ts'),
  group: () => import('./commands/group.ts'),
  init: () => import('./commands/init.ts'),
  job: () => import('./commands/job.ts'),
  kill: () => import('./commands/kill.ts'),
  list: () => import('./commands/list.ts'),
  login: () => import('./commands/login.ts'),
  logout: () => import('./commands/logout.ts'),
  logs: () => import('./commands/logs.ts'),
  ls: () => import('./commands/ls.ts'),
  mcp: () => import('./commands/mcp.ts'),
  once: () => import('./commands/once.ts'),
  ping: () => import('./commands/ping.ts'),
  proxy: () => import('./commands/proxy.ts'),
  ps: () => import('./commands/ps.ts'),
  pull: () => import('./commands/pull.ts'),
  push: () => import('./commands/push.ts'),
  put: () => import('./commands/put.ts'),
  puttar: () => import('./commands/puttar.ts'),
  reap: () => import('./commands/reap.ts'),
  rm: () => import('./commands/rm.ts'),
  run: () => import('./commands/run.ts'),
  shell: () => import('./commands/shell.ts'),
  snapshot: () => import('./commands/snapshot.ts'),
  ssh: () => import('./commands/shell.ts'),
  'ssh-config': () => import('./commands/ssh-config.ts'),
  'ssh-proxy': () => import('./commands/ssh-proxy.ts'),
  types: () => import('./commands/types.ts'),
  use: () => import('./commands/use.ts'),
  version: () => import('./commands/version.ts'),
  wait: () => import('./commands/wait.ts'),
  watch: () => import('./commands/watch.ts'),
  whoami: () => import('./commands/whoami.ts'),
} as const satisfies Readonly<Record<string, CommandEntry['load']>>;

const entry = (
  name: keyof typeof modules,
  summary: string,
  more: Omit<CommandEntry, 'name' | 'summary' | 'load'> = {},
): CommandEntry => ({ name, summary, load: modules[name], ...more });

const each = { buildlets: 'each' } as const;
const one = { buildlets: 'one' } as const;
const runOnEach = { ...each, isRun: true } as const;
const commandOnOne = { ...one, isRun: true, takesCommand: true } as const;

const machines: readonly CommandEntry[] = [
  entry('create', 'create a buildlet; print its name'),
  entry('list', 'list your buildlets'),
  entry('types', 'list the builder types'),
  entry('ping', 'test whether a buildlet answers', each),
  entry('extend', 'give a buildlet more time', each),
  entry('snapshot', 'keep what is in a work directory for later buildlets'),
  entry('cache', 'list and purge directories that outlive buildlets'),
  entry('fork', "create buildlets with another's work directory", one),
  entry('use', 'choose the buildlet of this project'),
  entry('group', 'manage groups of buildlets'),
  entry('destroy', 'destroy buildlets'),
  entry('reap', 'remove what is left of buildlets that have ended'),
];

const files: readonly CommandEntry[] = [
  entry('cp', 'copy between this machine and buildlets'),
  entry('push', 'send this tree; remove what was sent and is gone here', {
    buildlets: 'list',
    noneWith: 'dryRun',
  }),
  entry('pull', 'fetch files from a buildlet; nothing is deleted here', each),
  entry('diff', 'list what commands have made of what was pushed', each),
  entry('ls', 'list files on a buildlet', each),
  entry('get', 'get a file of a buildlet', each),
  entry('put', 'put a file on a buildlet', each),
  entry('gettar', 'get a directory of a buildlet as .tar.gz', each),
  entry('puttar', 'extract a .tar.gz or a directory on a buildlet', each),
  entry('rm', 'remove files or directories on a buildlet', each),
];

const runs: readonly CommandEntry[] = [
  entry('once', 'make a buildlet, push this tree, run a command, end it', { isRun: true }),
  entry('job', 'run a job of the project’s file, as once does', { isRun: true }),
  entry('run', 'run a command on a buildlet', { ...runOnEach, takesCommand: true }),
  entry(
    'exec-wrapper',
    'run a program of this machine on a buildlet, for go test, cargo and CMake',
    { isRun: true, takesCommand: true },
  ),
  entry('watch', 'push this tree and run a command, again whenever it changes', commandOnOne),
  entry('shell', 'a shell on a buildlet', commandOnOne),
  entry('forward', 'carry ports of a buildlet here, or of this machine there', one),
  entry('proxy', 'join standard input and output to a port of a buildlet', one),
  entry('ssh-config', 'let ssh, scp, rsync and editors reach buildlets'),
  entry('ssh-proxy', 'speak SSH for a buildlet, as the ProxyCommand of ssh'),
  entry('ssh', 'the same as shell', commandOnOne),
  entry('ps', 'list the runs of a buildlet', each),
  entry('logs', 'print the output of a run, also of one that is over', each),
  entry('attach', 'watch a run of a buildlet to its end', runOnEach),
  entry('wait', 'wait for the end of runs of a buildlet', runOnEach),
  entry('kill', 'send a signal to runs of a buildlet', each),
];

const team: readonly CommandEntry[] = [
  entry('login', 'make a coordinator a backend'),
  entry('logout', 'forget a coordinator and its token'),
  entry('whoami', 'print who you are in each backend'),
];

const others: readonly CommandEntry[] = [
  entry('ci', 'what CI systems call'),
  entry('doctor', 'find what keeps gomote from working, and the cure'),
  entry('completion', 'print the script that completes command lines'),
  entry('init', 'write a .gomote.toml for this project'),
  entry('mcp', 'give machines to an agent, by the Model Context Protocol'),
  entry('version', 'print the version'),
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
