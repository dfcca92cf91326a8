// The table of commands, and how a command line is read by it. A command's code loads when it is named.
import { Command, CommanderError, Option } from 'commander';
import { readVersion } from '../package-root.ts';
import type { Context } from './context.ts';
import { examplesOf } from './examples.ts';
import type { GlobalOptions } from './global-options.ts';
import { normalizeGoFlags } from './go-flags.ts';
import { print } from './terminal/terminal.ts';
import { unknownCommand, usageError } from './usage-errors.ts';

/** One command: its arguments and options, and as its action what it does. */
interface CommandModule {
  define(command: Command, context: Context): void;
  /** What follows the command's name, where it may be written in a way that commander does not know. */
  rewrite?(args: readonly string[]): string[];
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** Whether it stands for a remote command: its exit codes below 125 are that command's. */
  readonly isRun?: boolean;
  /** Whether a command for the buildlet follows the first operand: its options are left alone. */
  readonly takesCommand?: boolean;
}

/** In the order of `gomote -h`. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'attach',
    summary: 'watch a run of a buildlet to its end',
    load: () => import('./commands/attach.ts'),
    isRun: true,
  },
  {
    name: 'create',
    summary: 'create a buildlet; print its name',
    load: () => import('./commands/create.ts'),
  },
  { name: 'destroy', summary: 'destroy buildlets', load: () => import('./commands/destroy.ts') },
  {
    name: 'diff',
    summary: 'list what commands have made of what was pushed',
    load: () => import('./commands/diff.ts'),
  },
  {
    name: 'extend',
    summary: 'give a buildlet more time',
    load: () => import('./commands/extend.ts'),
  },
  { name: 'get', summary: 'get a file of a buildlet', load: () => import('./commands/get.ts') },
  {
    name: 'gettar',
    summary: 'get a directory of a buildlet as .tar.gz',
    load: () => import('./commands/gettar.ts'),
  },
  {
    name: 'kill',
    summary: 'send a signal to runs of a buildlet',
    load: () => import('./commands/kill.ts'),
  },
  { name: 'list', summary: 'list your buildlets', load: () => import('./commands/list.ts') },
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
    name: 'logs',
    summary: 'print the output of a run, also of one that is over',
    load: () => import('./commands/logs.ts'),
  },
  { name: 'ls', summary: 'list files on a buildlet', load: () => import('./commands/ls.ts') },
  {
    name: 'ping',
    summary: 'test whether a buildlet answers',
    load: () => import('./commands/ping.ts'),
  },
  { name: 'ps', summary: 'list the runs of a buildlet', load: () => import('./commands/ps.ts') },
  {
    name: 'pull',
    summary: 'fetch files from a buildlet; nothing is deleted here',
    load: () => import('./commands/pull.ts'),
  },
  {
    name: 'push',
    summary: 'send this tree; remove what was sent before and is gone here',
    load: () => import('./commands/push.ts'),
  },
  { name: 'put', summary: 'put a file on a buildlet', load: () => import('./commands/put.ts') },
  {
    name: 'puttar',
    summary: 'extract a .tar.gz or a directory on a buildlet',
    load: () => import('./commands/puttar.ts'),
  },
  {
    name: 'reap',
    summary: 'remove what is left of buildlets that have ended',
    load: () => import('./commands/reap.ts'),
  },
  {
    name: 'rm',
    summary: 'remove files or directories on a buildlet',
    load: () => import('./commands/rm.ts'),
  },
  {
    name: 'run',
    summary: 'run a command on a buildlet',
    load: () => import('./commands/run.ts'),
    isRun: true,
    takesCommand: true,
  },
  {
    name: 'shell',
    summary: 'a shell on a buildlet',
    load: () => import('./commands/shell.ts'),
    isRun: true,
    takesCommand: true,
  },
  {
    name: 'ssh',
    summary: 'the same as shell',
    load: () => import('./commands/shell.ts'),
    isRun: true,
    takesCommand: true,
  },
  { name: 'types', summary: 'list the builder types', load: () => import('./commands/types.ts') },
  { name: 'version', summary: 'print the version', load: () => import('./commands/version.ts') },
  {
    name: 'wait',
    summary: 'wait for the end of runs of a buildlet',
    load: () => import('./commands/wait.ts'),
    isRun: true,
  },
  {
    name: 'whoami',
    summary: 'print who you are in each backend',
    load: () => import('./commands/whoami.ts'),
  },
];

const names = commands.map(({ name }) => name);

/** The options every command takes, before or after its name. */
const globalOptions = (): Option[] => [
  new Option('--user <name>', 'whose buildlets (default: $USER; also GOMOTE_USER)'),
  new Option('--backend <name>', 'where buildlets come from (also GOMOTE_BACKEND)'),
  new Option('--staging', 'use the backend "staging"'),
  new Option('--password-file <file>', 'password of a buildlet named as TYPE@HOST'),
  new Option('--verbose', 'tell of every request; stack traces with errors'),
  new Option('--quiet', 'say only what went wrong'),
  new Option('--no-color', 'no colour and no spinners (also NO_COLOR)'),
];

/** Options that commander adds by itself. */
const ownOptions = ['--help', '--version'];

/** Reads the command line and runs the command it names. */
export async function runProgram(given: readonly string[], context: Context): Promise<void> {
  const asksHelp = given[0] === 'help' && given[1] !== undefined;
  const argv = asksHelp ? [given[1] ?? '', '--help'] : given;
  const root = createRoot(context);
  const at = commandIndex(argv, root);
  const entry = commands.find((candidate) => candidate.name === argv[at]);
  context.isRun = entry?.isRun === true;
  if (asksHelp && entry === undefined && argv[0] !== 'help')
    throw unknownCommand(argv[0] ?? '', names);
  if (entry === undefined) {
    for (const { name, summary } of commands) {
      root.command(name).summary(summary).description(summary);
    }
  }
  let args = normalizeGoFlags(argv.slice(0, at), longOptions(root), { takesValue: valued(root) });
  if (entry === undefined) {
    args = [...args, ...argv.slice(at)];
  } else {
    const command = await addCommand(root, entry, context);
    const { rewrite = (words: readonly string[]) => words } = await entry.load();
    const rest = normalizeGoFlags(rewrite(argv.slice(at + 1)), longOptions(command), {
      takesValue: valued(command),
      ...(entry.takesCommand ? { stopAfterOperands: 1 } : {}),
    });
    args = [...args, entry.name, ...rest];
  }
  try {
    await root.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.help') await print(context.terminal, root.helpInformation());
    if (error.code === 'commander.unknownCommand') throw unknownCommand(argv[at] ?? '', names);
    if (error.exitCode !== 0) throw usageError(error, entry?.name);
  }
}

/** The program with every command in full, for its documentation. */
export async function fullProgram(context: Context): Promise<Command> {
  const root = createRoot(context);
  for (const entry of commands) await addCommand(root, entry, context);
  return root;
}

function createRoot(context: Context): Command {
  const { stdout } = context.terminal;
  const root = new Command('gomote')
    .description(
      'Remote, throw-away build machines: create one, push a tree, run commands, destroy it.',
    )
    .usage('[options] <command>')
    .option('--version', 'print the version')
    .on('option:version', () => {
      stdout.write(`${readVersion()}\n`);
      throw new CommanderError(0, 'commander.version', 'the version was printed');
    })
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: () => undefined })
    .enablePositionalOptions()
    .exitOverride();
  for (const option of globalOptions()) root.addOption(option);
  return root;
}

async function addCommand(root: Command, entry: CommandEntry, context: Context): Promise<Command> {
  const { define } = await entry.load();
  const command = root.command(entry.name).summary(entry.summary).description(entry.summary);
  for (const option of globalOptions()) command.addOption(option.hideHelp());
  define(command, context);
  command.addHelpText('after', examplesOf(entry.name));
  command.hook('preAction', () => {
    const { color: before, ...globals } = root.opts<GlobalOptions>();
    const local = command.opts<GlobalOptions>();
    context.globals = { ...globals, ...local, color: before !== false && local.color !== false };
  });
  return command;
}

/** Where the command's name is: the first word that is neither a global option nor its value. */
function commandIndex(argv: readonly string[], root: Command): number {
  const takesValue = valued(root);
  let at = 0;
  while (argv[at]?.startsWith('-'))
    at += takesValue.has((argv[at] ?? '').replace(/^--?/, '--')) ? 2 : 1;
  return at;
}

const longOptions = (command: Command): Set<string> =>
  new Set(
    [...ownOptions, ...command.options.flatMap(({ long }) => long ?? [])].map((name) =>
      name.slice(2),
    ),
  );

const valued = (command: Command): Set<string> =>
  new Set(
    command.options
      .filter((option) => option.required || option.optional)
      .flatMap(({ short, long }) => [short, long].filter((name) => name !== undefined)),
  );
