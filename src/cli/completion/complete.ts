// gomote __complete SHELL …: prints the candidates at the cursor, for the scripts of `gomote completion`.
//
// The first line says what the shell must add: local `files` or `directories`, or nothing. Each further line is one
// candidate, for all shells but bash followed by a tab and its description. Names with control characters are omitted.
import { printable } from '../../printable.ts';
import { commands } from '../command-table.ts';
import type { Context } from '../context.ts';
import { commandAt } from '../program.ts';
import { print } from '../terminal/terminal.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import { kindOfArgument, kindOfOption, optionValues, type ValueKind } from './kinds.ts';
import { readPlace } from './place.ts';
import { bashReply, readLine, readWord } from './shell-line.ts';

interface Answer {
  readonly candidates: readonly Candidate[];
  readonly local?: 'files' | 'directories' | undefined;
}

/** Completes the words after the command's name. Never throws: a shell cannot show an error while completing. */
export async function complete([shell, ...given]: readonly string[], context: Context) {
  // Never ask for a password while completing.
  context.terminal.environment.GOMOTE_UNATTENDED = '1';
  const [breaks = '', line = ''] = given;
  const bash = shell === 'bash' ? readLine(line) : undefined;
  const typed = bash?.before.slice(1) ?? given.slice(0, -1);
  const raw = given.at(-1) ?? '';
  const word = bash?.word ?? (shell === 'fish' ? readWord(raw).word : raw);
  const { candidates, local } = await answer(typed, word, context).catch(() => nothing);
  const lines = candidates
    .filter(({ value }) => value.startsWith(word) || value === `./${word}`)
    .filter(({ value }) => printable(value) === value)
    .flatMap(({ value, description = '' }) => {
      if (bash === undefined) return [`${value}\t${printable(description)}`];
      const isDone = !/[/:=,]$/.test(value);
      return bashReply({ raw: bash.raw, breaks }, value, isDone ? ' ' : '') ?? [];
    });
  await print(context.terminal, [local ?? '', ...lines].map((one) => `${one}\n`).join(''));
}

const nothing: Answer = { candidates: [] };

async function answer(typed: readonly string[], word: string, context: Context): Promise<Answer> {
  const { root, at, entry, command } = await commandAt(typed, context);
  const [first] = typed;
  if (command === undefined || entry === undefined) {
    const isName = at >= typed.length || (first === 'help' && typed.length === 1);
    if (!isName) return nothing;
    const { place, values } = readPlace(root, typed, word, false);
    context.globals = values;
    if (place.at === 'value') return await valuesOf(place.option.long, place, word, context, []);
    if (place.at === 'option') return { candidates: optionsOf([root]) };
    return { candidates: commandNames() };
  }
  const before = typed.slice(at + 1);
  const { place, operands, values } = readPlace(command, before, word, entry.takesCommand === true);
  context.globals = { ...readPlace(root, typed.slice(0, at), '', false).values, ...values };
  if (place.at === 'option') return { candidates: optionsOf([command, root]) };
  if (place.at === 'value') {
    return await valuesOf(place.option.long, place, word, context, operands);
  }
  if (place.argument === undefined) return nothing;
  const { argChoices } = place.argument;
  if (argChoices !== undefined) return { candidates: argChoices.map((value) => ({ value })) };
  const kind = kindOfArgument(entry.name, place.argument.name(), operands[0]);
  return await ofKind(kind, '', word, operands, context);
}

async function valuesOf(
  long: string | undefined,
  { option, prefix }: { option: { argChoices?: string[] | undefined }; prefix: string },
  word: string,
  context: Context,
  operands: readonly string[],
): Promise<Answer> {
  const words = option.argChoices ?? optionValues[long ?? ''];
  if (words !== undefined) {
    return { candidates: words.map((value) => ({ value: `${prefix}${value}` })) };
  }
  return await ofKind(kindOfOption(long), prefix, word, operands, context);
}

async function ofKind(
  kind: ValueKind,
  prefix: string,
  word: string,
  operands: readonly string[],
  context: Context,
): Promise<Answer> {
  if (kind === 'file') return { candidates: [], local: 'files' };
  if (kind === 'directory') return { candidates: [], local: 'directories' };
  if (kind === 'command') return { candidates: commandNames() };
  const [buildlet] = operands;
  const found = await candidatesOf(
    kind,
    word.slice(prefix.length),
    { buildlet, operands },
    context,
  );
  return {
    candidates: found.map((one) => ({ ...one, value: `${prefix}${one.value}` })),
    local: kind === 'copy' ? 'files' : undefined,
  };
}

const commandNames = (): Candidate[] => [
  ...commands.map(({ name, summary }) => ({ value: name, description: summary })),
  { value: 'help', description: 'print help for a command' },
];

function optionsOf(
  sources: readonly { options: readonly { long?: string | undefined; description: string }[] }[],
) {
  const options = sources.flatMap((source) => source.options);
  const byName = new Map(
    options
      .toReversed()
      .flatMap(({ long, description }) =>
        long === undefined ? [] : [[long, { value: long, description }] as const],
      ),
  );
  byName.set('--help', { value: '--help', description: 'print help' });
  return [...byName.values()].sort((a, b) => (a.value < b.value ? -1 : 1));
}
