// The line in the user's own configuration of ssh that names our file: put first, and taken away again.
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
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { replaceFile } from '../../files/replace-file.ts';
import { configPath } from './host-entries.ts';

const comment = '# The buildlets of gomote, added by gomote ssh-config --write.';

/** What is to be the first line of the user's file: below a Host line it would be for those hosts alone. */
export const includeLine = (config: string): string => `Include ${configPath(config)}`;

/** Whether the file has the line, wherever it is. */
export const hasInclude = (file: string, line: string): boolean =>
  linesOf(read(file)).some((one) => one.trim() === line);

/** Puts the line into the file, unless it is there; all else stays as it is, byte for byte. Whether it was put there. */
export function addInclude(file: string, line: string): boolean {
  if (hasInclude(file, line)) return false;
  write(file, `${comment}\n${line}\n\n${read(file)}`);
  return true;
}

/** Takes the line away again, with what was added with it. Whether it was there. */
export function removeInclude(file: string, line: string): boolean {
  if (!hasInclude(file, line)) return false;
  const text = read(file);
  const added = `${comment}\n${line}\n\n`;
  const rest = text.startsWith(added)
    ? text.slice(added.length)
    : linesOf(text)
        .filter((one) => one.trim() !== line && one !== comment)
        .join('\n');
  // What was made for the line alone goes with it, unless it is a link to something.
  if (rest === '' && lstatSync(file).isFile()) rmSync(file);
  else write(file, rest);
  return true;
}

const linesOf = (text: string): string[] => text.split('\n');

/** Each byte as one character: a file of any encoding comes out as it was. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw cannot('read', file, error);
  }
}

/** Replaces the content, keeping the mode; of a link, that of the file to which it leads. */
function write(file: string, text: string): void {
  try {
    if (!existsSync(dirname(file))) mkdirSync(dirname(file), { mode: 0o700 });
    const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    const path = isLink ? realpathSync(file) : file;
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && !found.isFile()) throw new Error('it is not a file');
    replaceFile(path, Buffer.from(text, 'latin1'), found && found.mode & 0o777);
  } catch (error) {
    throw cannot('write', file, error);
  }
}

const cannot = (what: string, file: string, error: unknown): GomoteError =>
  new GomoteError('ERR_LOCAL_FILE', `cannot ${what} ${file}: ${messageOf(error)}`, {
    cause: error,
  });
