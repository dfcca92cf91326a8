// The variables a command gets by -e and --env-file.
import { GomoteError } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { readFileSync } from '../../files/named-fs.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import { exactVariable } from '../raw-arguments.ts';
import { parseKeyValue } from '../values.ts';

/** `KEY=VALUE` as given; `KEY` alone with its value in this process, or nothing when it is unset. */
export function readVariable(option: string, text: string, own: NodeJS.ProcessEnv): string[] {
  if (!/^[^=\0\s]+$/.test(text)) return [parseKeyValue(option, text)];
  const value = exactVariable(text, own);
  return value === undefined ? [] : [`${text}=${value}`];
}

/**
 * The variables in a file: one a line as with -e, with or without `export` before it; the value is all that follows `=`, as it
 * is. Empty lines and those that begin with # are skipped. Every other line is an error.
 */
export function readEnvironmentFile(file: string, own: NodeJS.ProcessEnv): string[] {
  let text: string;
  try {
    text = nameFromBytes(readFileSync(file));
  } catch (error) {
    throw localError('read', file, error);
  }
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  return lines.flatMap((line, i) => {
    if (/^\s*(#|$)/.test(line)) return [];
    const assignment = line.replace(/^\s*export[ \t]+/, '');
    const [, name = '', value] = /^([^=]*)(=.*)?$/s.exec(assignment) ?? [];
    const fault = faultOf(name, value);
    if (fault === undefined) return readVariable(`--env-file ${file}`, assignment, own);
    throw new GomoteError('ERR_USAGE', `--env-file ${file}, line ${i + 1}: ${fault}`, {
      hint: 'write KEY=VALUE, with no blanks around KEY; the value is all that follows, quotes too',
    });
  });
}

/** Why the line sets no variable; undefined if it does. */
function faultOf(name: string, value: string | undefined): string | undefined {
  if (name === '') return 'there is no name before "="';
  if (/\s/.test(name)) return `blanks in or around the name "${name}"`;
  if (/["'`$\0]/.test(name)) return `"${name}" is not the name of a variable`;
  return value?.includes('\0') ? `the value of ${name} holds a zero byte` : undefined;
}
