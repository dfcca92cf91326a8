// Adds the Include line for our file to the user's ssh configuration, and removes it.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { configPath } from './host-entries.ts';

const comment = '# The buildlets of gomote, added by gomote ssh-config --write.';

/** The first line of the user's file: below a Host line it would apply only to those hosts. */
export const includeLine = (config: string): string => `Include ${configPath(config)}`;

export const hasInclude = (file: string, line: string): boolean =>
  linesOf(read(file)).some((one) => one.trim() === line);

/** Adds the line unless the file has it; keeps the rest byte for byte. Returns whether it was added. */
export function addInclude(file: string, line: string): boolean {
  if (hasInclude(file, line)) return false;
  write(file, `${comment}\n${line}\n\n${read(file)}`);
  return true;
}

/** Removes the line, and everything that was added with it. Returns whether the file had it. */
export function removeInclude(file: string, line: string): boolean {
  if (!hasInclude(file, line)) return false;
  const text = read(file);
  const added = `${comment}\n${line}\n\n`;
  const rest = text.startsWith(added)
    ? text.slice(added.length)
    : linesOf(text)
        .filter((one) => one.trim() !== line && one !== comment)
        .join('\n');
  // Remove a file that was created for the line, unless it is a link.
  if (rest === '' && lstatSync(file).isFile()) rmSync(file);
  else write(file, rest);
  return true;
}

const linesOf = (text: string): string[] => text.split('\n');

/** One character per byte: files of any encoding are preserved. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw localError('read', file, error);
  }
}

/** Replaces the content and keeps the mode; for a link, of its target. */
function write(file: string, text: string): void {
  try {
    if (!existsSync(dirname(file))) mkdirSync(dirname(file), { mode: 0o700 });
    const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    const path = isLink ? realpathSync(file) : file;
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) throw new Error('it is not a file');
    replaceFile(path, Buffer.from(text, 'latin1'), found && found.mode & 0o777);
  } catch (error) {
    throw localError('write', file, error);
  }
}
