// The variables a command gets by -e and --env-file.
import { errnoOf, GomoteError } from '../errors.ts';
import { readFileSync } from '../files/named-fs.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { errnoText } from '../protocol/process-state.ts';
import { exactVariable } from './raw-arguments.ts';
import { parseKeyValue } from './values.ts';

/** KEY=VALUE as it is; KEY alone as this process has it; nothing if it has none. */
export function readVariable(option: string, text: string, own: NodeJS.ProcessEnv): string[] {
  if (!/^[^=\0\s]+$/.test(text)) return [parseKeyValue(option, text)];
  const value = exactVariable(text, own);
  return value === undefined ? [] : [`${text}=${value}`];
}

/** The variables in a file: one a line as with -e; empty lines and those that begin with # are skipped. */
export function readEnvironmentFile(file: string, own: NodeJS.ProcessEnv): string[] {
  let text: string;
  try {
    text = nameFromBytes(readFileSync(file));
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
