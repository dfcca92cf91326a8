// A TOML file read and checked: every failure names the file, the key and the value.
import { join } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';

/** The file's bytes as the schema has them; throws ERR_CONFIG. `page` of the documentation describes the file. */
export function parseFile<T extends v.GenericSchema>(
  path: string,
  bytes: Uint8Array,
  schema: T,
  page = 'configuration.md',
): v.InferOutput<T> {
  const result = v.safeParse(schema, parseToml(path, bytes));
  if (result.success) return result.output;
  const [issue] = result.issues;
  const key = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const [typed = '', known] = [key.split('.').at(-1), keysOf(schema)];
    // A key of another section is not misspelt.
    const meant = known.includes(typed) ? undefined : didYouMean(typed, known);
    throw new GomoteError('ERR_CONFIG', `${path}: unknown key ${key}`, {
      hint: meant ?? `see ${join(packageRoot, 'docs', page)}`,
    });
  }
  if (issue.type === 'strict_object' && issue.input === undefined) {
    throw new GomoteError('ERR_CONFIG', `${path}: ${key} is missing`, { hint: 'correct the file' });
  }
  throw badValue(path, key, issue.input, wordsOf(issue));
}

/** What a value may be: the message of the schema or, where it has none, ours in place of valibot's. */
function wordsOf({ type, message, requirement, expected }: v.BaseIssue<unknown>): string {
  if (!message.startsWith('Invalid ')) return message;
  if (type === 'min_value') return `it is at least ${requirement}`;
  if (type === 'max_value') return `it is at most ${requirement}`;
  if (type === 'min_length' && requirement === 1) return 'it is empty';
  const text = typeTexts[type];
  if (text !== undefined || expected === null) return text ?? message;
  return `it is ${expected.replace(/^\((.*)\)$/, 'one of $1').replaceAll(' | ', ', ')}`;
}

const typeTexts: Readonly<Record<string, string>> = {
  array: 'it is a list: ["…"]',
  object: 'it is a table',
  strict_object: 'it is a table',
  record: 'it is a table',
  integer: 'it is a whole number',
  boolean: 'it is true or false',
  number: 'it is a number',
  string: 'it is text in quotes',
};

/** All keys that objects have anywhere in a schema. */
function keysOf(schema: unknown, seen = new Set<unknown>()): string[] {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return [];
  seen.add(schema);
  const { entries } = schema as { entries?: object };
  const parts = Array.isArray(schema) ? schema : Object.values(schema);
  return [...Object.keys(entries ?? {}), ...parts.flatMap((part) => keysOf(part, seen))];
}

function parseToml(path: string, bytes: Uint8Array): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const place = error instanceof TomlError ? `${path}:${error.line}:${error.column}` : path;
    const [reason = ''] = error instanceof Error ? error.message.split('\n', 1) : [];
    throw new GomoteError('ERR_CONFIG', `${place}: ${reason}`, {
      hint: 'correct it',
      cause: error,
    });
  }
}

/** The failure of one key of the file. */
export function badValue(path: string, key: string, value: unknown, why: string): GomoteError {
  const shown = JSON.stringify(value) ?? 'absent';
  return new GomoteError('ERR_CONFIG', `${path}: ${key}: ${shown}: ${why}`, {
    hint: 'correct the file',
  });
}
