// Prints lists: as a table, as JSON, or with a template for each item.
import type { Command } from 'commander';
import { nearest } from '../../did-you-mean.ts';
import { GomoteError } from '../../errors.ts';
import { printable } from '../../printable.ts';
import { contradiction } from '../values.ts';
import { print, printJson, type Terminal } from './terminal.ts';

export interface ListingOptions {
  json?: boolean;
  format?: string;
}

type Item = Readonly<Record<string, unknown>>;

/** Adds `--json` and `--format` to a command that prints a list. */
export const listingOptions = (command: Command, json = 'print a JSON array'): Command =>
  command
    .option('--json', json)
    .option(
      '--format <template>',
      "print each as the template says: '{{.name}}' is what --json calls name; \\t and \\n",
    );

/**
 * Prints the items.
 *
 * @param fields The JSON fields of each item.
 * @param table The items as text, for when neither option is given.
 */
export async function printListing(
  items: readonly object[],
  options: ListingOptions,
  {
    fields,
    table,
    terminal,
  }: { fields: readonly string[]; table: () => string; terminal: Terminal },
): Promise<void> {
  const write = templateOf(options, fields, terminal);
  if (options.json) return await printJson(terminal, items, 2);
  await print(terminal, write === undefined ? table() : items.map(write).join(''));
}

/** Returns the formatter of an item, if there is a template; throws ERR_USAGE for an invalid one. */
export function templateOf(
  { json, format }: ListingOptions,
  fields: readonly string[],
  { stdout }: Terminal,
): ((item: object) => string) | undefined {
  if (format === undefined) return undefined;
  if (json) throw contradiction('--json', '--format');
  const write = parseTemplate(format, fields, stdout.isTTY === true);
  return (item) => `${write(item)}\n`;
}

/** Formats an item by a template. On a terminal, control characters in values are escaped. */
export function parseTemplate(
  template: string,
  fields: readonly string[],
  isShown: boolean,
): (item: object) => string {
  const parts = template.split(/\{\{\s*(\.[^{}]*?)\s*\}\}/);
  const write = parts.map((part, at) => (at % 2 === 0 ? literal(part) : field(part, fields)));
  return (item) => {
    // Convert it as JSON does, so that both formats agree.
    const plain = JSON.parse(JSON.stringify(item)) as Item;
    return write
      .map((one) => (typeof one === 'string' ? one : one(plain)))
      .map((text, at) => (at % 2 === 1 && isShown ? printable(text) : text))
      .join('');
  };
}

function literal(text: string): string {
  const stray = /\{\{[^}]*(\}\})?|\}\}/.exec(text)?.[0];
  if (stray !== undefined) {
    throw new GomoteError('ERR_USAGE', `--format: "${stray}" is not a field`, {
      hint: "write a field as '{{.name}}'",
    });
  }
  return text.replaceAll(/\\([tn\\])/g, (_, letter) =>
    letter === 't' ? '\t' : letter === 'n' ? '\n' : '\\',
  );
}

function field(path: string, fields: readonly string[]): (item: Item) => string {
  const [first = '', ...deeper] = path.slice(1).split('.');
  if (!fields.includes(first)) {
    const meant = nearest(first, fields);
    throw new GomoteError('ERR_USAGE', `--format: there is no field "${first}"`, {
      hint: meant ? `did you mean "${meant}"?` : `fields are: ${fields.join(', ')}`,
    });
  }
  return (item) => {
    let value: unknown = item[first];
    for (const key of deeper) {
      const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
      value = isObject ? (value as Item)[key] : undefined;
    }
    if (value === undefined || value === null) return '';
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
}
