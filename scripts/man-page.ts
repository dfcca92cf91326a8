// The man page, made from the commands' own help when the package is built.
import type { Command, Help } from 'commander';
import { commandGroups } from '../src/cli/command-table.ts';
import { Context } from '../src/cli/context.ts';
import { examplesOf } from '../src/cli/examples.ts';
import { processInterrupts } from '../src/cli/interrupts.ts';
import { fullProgram } from '../src/cli/program.ts';
import type { Terminal } from '../src/cli/terminal/terminal.ts';

/** Made by scripts/build-man.js. */
export async function manPage(version: string, terminal: Terminal): Promise<string> {
  const root = await fullProgram(new Context(terminal, processInterrupts()));
  return pageOf(root, version);
}

function pageOf(root: Command, version: string): string {
  const help = root.createHelp();
  const byName = new Map(root.commands.map((command) => [command.name(), command]));
  const groups = commandGroups.flatMap(({ title, commands: entries }) => [
    `.SH ${text(title.replace(':', '').toUpperCase())}`,
    ...entries.flatMap(({ name }) => {
      const command = byName.get(name);
      return command === undefined ? [] : commandLines(command, help);
    }),
  ]);
  return `${[
    `.TH GOMOTE 1 "" "gomote ${text(version)}" "User Commands"`,
    '.SH NAME',
    'gomote \\- remote, throw\\-away build machines',
    '.SH SYNOPSIS',
    '.B gomote',
    '[options] <command> [arguments]',
    '.SH DESCRIPTION',
    text(root.description()),
    'NAME stands for a buildlet as',
    '.B gomote list',
    'prints it.',
    '.SH OPTIONS',
    'These go before the command or among its own options.',
    ...optionLines(root, help),
    ...groups,
    '.SH EXIT STATUS',
    ...term('0', 'Everything was done.'),
    ...term('1', 'Something failed; a line on standard error says what.'),
    ...term('2', 'The command line is wrong.'),
    ...term('124', 'A time limit ended the command of a run.'),
    ...term('125', 'What became of the command of a run is not known, or it was not started.'),
    ...term('126, 127', 'The command of a run cannot be executed, or is not there.'),
    '.SH FILES',
    ...term('~/.config/gomote/config.toml', 'The configuration; there need not be one.'),
    '.SH SEE ALSO',
    'The directory docs of the package, above all docs/first\\-day.md.',
  ].join('\n')}\n`;
}

const term = (what: string, meaning: string): string[] => [
  '.TP',
  `.B ${text(what)}`,
  text(meaning),
];

function commandLines(command: Command, help: Help): string[] {
  const name = command.name();
  const examples = examplesOf(name).split('\n').slice(2);
  return [
    `.SS ${text(`gomote ${name}`)}`,
    '.RS 4',
    '.B',
    text(help.commandUsage(command)),
    '.PP',
    text(sentence(command.description())),
    ...help
      .visibleArguments(command)
      .flatMap((argument) =>
        term(argument.name().toUpperCase(), help.argumentDescription(argument)),
      ),
    ...optionLines(command, help),
    '.PP',
    '.EX',
    ...examples.map((line) => text(line.trim())),
    '.EE',
    '.RE',
  ];
}

const optionLines = (command: Command, help: Help): string[] =>
  help
    .visibleOptions(command)
    .filter(({ long }) => command.parent === null || long !== '--help')
    .flatMap((option) => term(help.optionTerm(option), help.optionDescription(option)));

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

export const text = (plain: string): string =>
  plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^([.'])/, '\\&$1');
