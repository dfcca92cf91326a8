// Parses a command line by the table of commands. A command's code loads only when it is used.
import { Command, CommanderError, Help, Option } from 'commander';
import { readVersion } from '../package-root.ts';
import { BuildletCommand } from './buildlet-command.ts';
import { type CommandEntry, commandGroups, commands, otherGroup } from './command-table.ts';
import type { Context, GlobalOptions } from './context.ts';
import { examplesOf } from './examples.ts';
import { normalizeGoFlags } from './go-flags.ts';
import { print } from './terminal/terminal.ts';
import { unknownCommand, usageError } from './usage-errors.ts';

const names = commands.map(({ name }) => name);

const globalOptions = (): Option[] => [
  new Option('--user <name>', 'whose buildlets (default: $USER; also GOMOTE_USER)'),
  new Option('--backend <name>', 'where buildlets come from (also GOMOTE_BACKEND)'),
  new Option('--group <name>', 'which group of buildlets (also GOMOTE_GROUP)'),
  new Option('--staging', 'use the backend "staging"'),
  new Option('--password-file <file>', 'password of a buildlet named as TYPE@HOST'),
  new Option('--verbose', 'tell of every request; stack traces with errors'),
  new Option('--quiet', 'say only what went wrong'),
  new Option('--no-color', 'no colour and no spinners (also NO_COLOR)'),
];

const ownOptions = ['--help', '--version'];

export async function runProgram(given: readonly string[], context: Context): Promise<void> {
  const asksHelp = given[0] === 'help' && given[1] !== undefined;
  const argv = asksHelp ? [given[1] ?? '', '--help'] : given;
  const { root, at, entry, command } = await commandAt(argv, context);
  context.isRun = entry?.isRun === true;
  const word = argv[at];
  const isUnknown = entry === undefined && word !== undefined && word !== 'help';
  if (isUnknown && argv.some((other) => /^(-h|--?help)$/.test(other)))
    throw unknownCommand(word, names);
  let known = longOptions(root);
  let args = normalizeGoFlags(argv.slice(0, at), known, { takesValue: valued(root) });
  if (entry === undefined || command === undefined) {
    addSummaries(root);
    args = [...args, ...argv.slice(at)];
  } else {
    if (command instanceof BuildletCommand) command.relax();
    const { rewrite = (words: readonly string[]) => words } = await entry.load();
    known = longOptions(command);
    const rest = normalizeGoFlags(rewrite(argv.slice(at + 1)), known, {
      takesValue: valued(command),
      ...(entry.takesCommand ? { stopAfterOperands: 1 } : {}),
    });
    args = [...args, entry.name, ...rest];
    context.isJson = known.has('json') && rest.includes('--json');
  }
  try {
    await root.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.help') await print(context.terminal, root.helpInformation());
    if (error.code === 'commander.unknownCommand') throw unknownCommand(argv[at] ?? '', names);
    if (error.exitCode !== 0) throw usageError(error, entry?.name, known);
  }
}

/** The command that the words name, and the position of its name; no command when they name none. */
export async function commandAt(argv: readonly string[], context: Context) {
  const root = createRoot(context);
  const at = commandIndex(argv, root);
  const entry = commands.find((candidate) => candidate.name === argv[at]);
  const command = entry && (await addCommand(root, entry, context));
  return { root, at, entry, command };
}

function addSummaries(root: Command): void {
  for (const group of commandGroups) {
    root.commandsGroup(group.title);
    for (const { name, summary } of group.commands) {
      root.command(name).summary(summary).description(summary);
    }
  }
}

export async function fullProgram(context: Context): Promise<Command> {
  const root = createRoot(context);
  for (const group of commandGroups) {
    root.commandsGroup(group.title);
    for (const entry of group.commands) await addCommand(root, entry, context);
  }
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
    .addHelpCommand(helpCommand())
    .configureHelp({ showGlobalOptions: true, optionDescription })
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: () => undefined })
    .enablePositionalOptions()
    .showSuggestionAfterError(false)
    .exitOverride();
  for (const option of globalOptions()) root.addOption(option);
  return root;
}

/** The default of an option that can be repeated says nothing. */
const optionDescription = (option: Option): string =>
  new Help().optionDescription(option).replace(/ \(default: (?:\[\]|\{\})\)$/, '');

const helpCommand = (): Command =>
  new Command('help')
    .argument('[command]')
    .description('print help for a command')
    .helpOption(false)
    .helpGroup(otherGroup);

async function addCommand(root: Command, entry: CommandEntry, context: Context): Promise<Command> {
  const { define } = await entry.load();
  const command = entry.buildlets ? new BuildletCommand(entry.name) : new Command(entry.name);
  root.addCommand(command);
  command.copyInheritedSettings(root).summary(entry.summary).description(entry.summary);
  for (const option of globalOptions()) command.addOption(option.hideHelp());
  define(command, context);
  if (command instanceof BuildletCommand) command.choosing(entry, define, context);
  command.addHelpText('after', examplesOf(entry.name));
  command.hook('preAction', () => {
    const { color: before, ...globals } = root.opts<GlobalOptions>();
    const local = command.opts<GlobalOptions>();
    context.globals = { ...globals, ...local, color: before !== false && local.color !== false };
  });
  return command;
}

/** The position of the command's name: the first word that is neither a global option nor its value. */
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
