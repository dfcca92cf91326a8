// The table of commands, in the groups and the order of `gomote -h`.
import type { CommandEntry } from './command-entry.ts';

const machines: readonly CommandEntry[] = [
  {
    name: 'create',
    summary: 'create a buildlet; print its name',
    load: () => import('./commands/create.ts'),
  },
  { name: 'list', summary: 'list your buildlets', load: () => import('./commands/list.ts') },
  { name: 'types', summary: 'list the builder types', load: () => import('./commands/types.ts') },
  {
    name: 'ping',
    summary: 'test whether a buildlet answers',
    load: () => import('./commands/ping.ts'),
    buildlets: 'each',
  },
  {
    name: 'extend',
    summary: 'give a buildlet more time',
    load: () => import('./commands/extend.ts'),
    buildlets: 'each',
  },
  {
    name: 'snapshot',
    summary: 'keep what is in a work directory for later buildlets',
    load: () => import('./commands/snapshot.ts'),
  },
  {
    name: 'cache',
    summary: 'list and purge directories that outlive buildlets',
    load: () => import('./commands/cache.ts'),
  },
  {
    name: 'fork',
    summary: "create buildlets with another's work directory",
    load: () => import('./commands/fork.ts'),
    buildlets: 'one',
  },
  {
    name: 'use',
    summary: 'choose the buildlet of this project',
    load: () => import('./commands/use.ts'),
  },
  {
    name: 'group',
    summary: 'manage groups of buildlets',
    load: () => import('./commands/group.ts'),
  },
  { name: 'destroy', summary: 'destroy buildlets', load: () => import('./commands/destroy.ts') },
  {
    name: 'reap',
    summary: 'remove what is left of buildlets that have ended',
    load: () => import('./commands/reap.ts'),
  },
];

const files: readonly CommandEntry[] = [
  {
    name: 'cp',
    summary: 'copy between this machine and buildlets',
    load: () => import('./commands/cp.ts'),
  },
  {
    name: 'push',
    summary: 'send this tree; remove what was sent and is gone here',
    load: () => import('./commands/push.ts'),
    buildlets: 'list',
    noneWith: 'dryRun',
  },
  {
    name: 'pull',
    summary: 'fetch files from a buildlet; nothing is deleted here',
    load: () => import('./commands/pull.ts'),
    buildlets: 'each',
  },
  {
    name: 'diff',
    summary: 'list what commands have made of what was pushed',
    load: () => import('./commands/diff.ts'),
    buildlets: 'each',
  },
  {
    name: 'ls',
    summary: 'list files on a buildlet',
    load: () => import('./commands/ls.ts'),
    buildlets: 'each',
  },
  {
    name: 'get',
    summary: 'get a file of a buildlet',
    load: () => import('./commands/get.ts'),
    buildlets: 'each',
  },
  {
    name: 'put',
    summary: 'put a file on a buildlet',
    load: () => import('./commands/put.ts'),
    buildlets: 'each',
  },
  {
    name: 'gettar',
    summary: 'get a directory of a buildlet as .tar.gz',
    load: () => import('./commands/gettar.ts'),
    buildlets: 'each',
  },
  {
    name: 'puttar',
    summary: 'extract a .tar.gz or a directory on a buildlet',
    load: () => import('./commands/puttar.ts'),
    buildlets: 'each',
  },
  {
    name: 'rm',
    summary: 'remove files or directories on a buildlet',
    load: () => import('./commands/rm.ts'),
    buildlets: 'each',
  },
];

const runs: readonly CommandEntry[] = [
  {
    name: 'once',
    summary: 'make a buildlet, push this tree, run a command, end it',
    load: () => import('./commands/once.ts'),
    isRun: true,
  },
  {
    name: 'job',
    summary: 'run a job of the project’s file, as once does',
    load: () => import('./commands/job.ts'),
    isRun: true,
  },
  {
    name: 'run',
    summary: 'run a command on a buildlet',
    load: () => import('./commands/run.ts'),
    isRun: true,
    takesCommand: true,
    buildlets: 'each',
  },
  {
    name: 'exec-wrapper',
    summary: 'run a program of this machine on a buildlet, for go test, cargo and CMake',
    load: () => import('./commands/exec-wrapper.ts'),
    isRun: true,
    takesCommand: true,
  },
  {
    name: 'watch',
    summary: 'push this tree and run a command, again whenever it changes',
    load: () => import('./commands/watch.ts'),
    isRun: true,
    takesCommand: true,
    buildlets: 'one',
  },
  {
    name: 'shell',
    summary: 'a shell on a buildlet',
    load: () => import('./commands/shell.ts'),
    isRun: true,
    takesCommand: true,
    buildlets: 'one',
  },
  {
    name: 'forward',
    summary: 'carry ports of a buildlet here, or of this machine there',
    load: () => import('./commands/forward.ts'),
    buildlets: 'one',
  },
  {
    name: 'proxy',
    summary: 'join standard input and output to a port of a buildlet',
    load: () => import('./commands/proxy.ts'),
    buildlets: 'one',
  },
  {
    name: 'ssh-config',
    summary: 'let ssh, scp, rsync and editors reach buildlets',
    load: () => import('./commands/ssh-config.ts'),
  },
  {
    name: 'ssh-proxy',
    summary: 'speak SSH for a buildlet, as the ProxyCommand of ssh',
    load: () => import('./commands/ssh-proxy.ts'),
  },
  {
    name: 'ssh',
    summary: 'the same as shell',
    load: () => import('./commands/shell.ts'),
    isRun: true,
    takesCommand: true,
    buildlets: 'one',
  },
  {
    name: 'ps',
    summary: 'list the runs of a buildlet',
    load: () => import('./commands/ps.ts'),
    buildlets: 'each',
  },
  {
    name: 'logs',
    summary: 'print the output of a run, also of one that is over',
    load: () => import('./commands/logs.ts'),
    buildlets: 'each',
  },
  {
    name: 'attach',
    summary: 'watch a run of a buildlet to its end',
    load: () => import('./commands/attach.ts'),
    isRun: true,
    buildlets: 'each',
  },
  {
    name: 'wait',
    summary: 'wait for the end of runs of a buildlet',
    load: () => import('./commands/wait.ts'),
    isRun: true,
    buildlets: 'each',
  },
  {
    name: 'kill',
    summary: 'send a signal to runs of a buildlet',
    load: () => import('./commands/kill.ts'),
    buildlets: 'each',
  },
];

const team: readonly CommandEntry[] = [
  {
    name: 'login',
    summary: 'make a coordinator a backend',
    load: () => import('./commands/login.ts'),
  },
  {
    name: 'logout',
    summary: 'forget a coordinator and its token',
    load: () => import('./commands/logout.ts'),
  },
  {
    name: 'whoami',
    summary: 'print who you are in each backend',
    load: () => import('./commands/whoami.ts'),
  },
];

const others: readonly CommandEntry[] = [
  { name: 'ci', summary: 'what CI systems call', load: () => import('./commands/ci.ts') },
  {
    name: 'doctor',
    summary: 'find what keeps gomote from working, and the cure',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'completion',
    summary: 'print the script that completes command lines',
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'init',
    summary: 'write a .gomote.toml for this project',
    load: () => import('./commands/init.ts'),
  },
  {
    name: 'mcp',
    summary: 'give machines to an agent, by the Model Context Protocol',
    load: () => import('./commands/mcp.ts'),
  },
  { name: 'version', summary: 'print the version', load: () => import('./commands/version.ts') },
];

/** The title of the last group. */
export const otherGroup = 'Other:';

/** The groups, each below its title. */
export const commandGroups: readonly { title: string; commands: readonly CommandEntry[] }[] = [
  { title: 'Machines:', commands: machines },
  { title: 'Files:', commands: files },
  { title: 'Commands:', commands: runs },
  { title: 'Team:', commands: team },
  { title: otherGroup, commands: others },
];

export const commands: readonly CommandEntry[] = commandGroups.flatMap((group) => group.commands);
