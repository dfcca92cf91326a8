// Finds what is expected at the cursor of an unfinished command line.
import type { Argument, Command, Option } from 'commander';

export type Place =
  /** At an operand; `operands` are those before it. */
  | { readonly at: 'operand'; readonly argument: Argument | undefined }
  /** At the value of an option, after `prefix` in its word. */
  | { readonly at: 'value'; readonly option: Option; readonly prefix: string }
  | { readonly at: 'option' };

interface WordPlace {
  readonly place: Place;
  readonly operands: readonly string[];
  /** The values of the options before the cursor, by the options' attribute names. */
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Parses the words after the command's name.
 *
 * @param takesCommand Whether a remote command follows the first operand.
 */
export function readPlace(
  command: Command,
  before: readonly string[],
  word: string,
  takesCommand: boolean,
): WordPlace {
  const operands: string[] = [];
  const values: Record<string, string> = {};
  let isOperandOnly = false;
  let pending: Option | undefined;
  const mayBeOption = (text: string) =>
    text.startsWith('-') && !isOperandOnly && !(takesCommand && operands.length > 0);
  for (const text of before) {
    if (pending !== undefined) {
      values[pending.attributeName()] = text;
      pending = undefined;
    } else if (text === '--') isOperandOnly = true;
    else if (text === '-' || !mayBeOption(text)) operands.push(text);
    else {
      const { option, value } = optionOf(command, text);
      if (option?.required && value === undefined) pending = option;
      else if (option && value !== undefined) values[option.attributeName()] = value;
    }
  }
  return { place: placeOf(), operands, values };

  function placeOf(): Place {
    if (pending !== undefined) return { at: 'value', option: pending, prefix: '' };
    if (mayBeOption(word)) {
      const { option, value } = optionOf(command, word);
      if (value === undefined) return { at: 'option' };
      if (option?.required || option?.optional) {
        return { at: 'value', option, prefix: word.slice(0, word.length - value.length) };
      }
      return { at: 'operand', argument: undefined };
    }
    const known = command.registeredArguments;
    const last = known.at(-1);
    const argument = known[operands.length] ?? (last?.variadic ? last : undefined);
    return { at: 'operand', argument };
  }
}

function optionOf(command: Command, text: string) {
  const [, name = '', value] = /^--?([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
  const options = [...command.options, ...(command.parent?.options ?? [])];
  const option = options.find(({ long, short }) => long === `--${name}` || short === `-${name}`);
  return { option, value };
}
