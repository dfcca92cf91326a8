// The variables a command gets by -e and --env-file.
import { readFileSync } from 'node:fs';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';
import { parseKeyValue } from './values.ts';

/** KEY=VALUE as it is; KEY alone as this process has it; nothing if it has none. */
export function readVariable(option: string, text: string, own: NodeJS.ProcessEnv): string[] {
  if (!/^[^=\0\s]+$/.test(text)) return [parseKeyValue(option, text)];
  const value = own[text];
  return value === undefined ? [] : [`${text}=${value}`];
}

/** The variables in a file: one a line as with -e; empty lines and those that begin with # are skipped. */
export function readEnvironmentFile(file: string, own: NodeJS.ProcessEnv): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = errnoText(errnoOf(error) ?? String(error));
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read "${file}": ${reason}`, {
      hint: 'check the path and its permissions',
      cause: error,
    });
  }
  return text.split(/\r?\n/).flatMap((line) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    return readVariable(`--env-file ${file}:`, line, own);
  });
}
