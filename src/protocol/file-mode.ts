// Go's FileMode text, as in `/ls`: type letters first, then nine rwx characters.
import { GomoteError } from '../errors.ts';

/** What a directory entry is, by the letters of its mode text. */
export type FileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'block-device'
  | 'char-device';

const typeLetters: Record<FileType, string> = {
  file: '',
  directory: 'd',
  symlink: 'L',
  'block-device': 'D',
  'char-device': 'Dc',
  fifo: 'p',
  socket: 'S',
};

const typeBits: ReadonlyMap<number, FileType> = new Map([
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
  [0o060000, 'block-device'],
  [0o020000, 'char-device'],
]);

const permissionLetters = 'rwxrwxrwx';

/** The type in the high bits of a Unix `st_mode`, or undefined for one that Go has no letter for. */
export function fileTypeOf(mode: number): FileType | undefined {
  return typeBits.get(mode & 0o170000);
}

/** A cache: a tree has only few modes. */
const modeTexts = new Map<number, string>();

/** The mode text of a Unix `st_mode`; an unknown type prints as Go's irregular `?`. */
export function formatFileMode(mode: number): string {
  const known = modeTexts.get(mode);
  if (known !== undefined) return known;
  const text = modeText(mode);
  modeTexts.set(mode, text);
  return text;
}

function modeText(mode: number): string {
  const type = fileTypeOf(mode);
  // Go writes its letters in the order of its mode bits: d…L D p S u g c t.
  const letters = type === undefined ? '?' : typeLetters[type];
  const special =
    letters.slice(0, 1) +
    (mode & 0o4000 ? 'u' : '') +
    (mode & 0o2000 ? 'g' : '') +
    letters.slice(1) +
    (mode & 0o1000 ? 't' : '');
  let permissions = '';
  for (let bit = 0; bit < 9; bit++) {
    permissions += mode & (0o400 >> bit) ? permissionLetters.charAt(bit) : '-';
  }
  return (special || '-') + permissions;
}

const modePattern = /^(?:-|([dLDpS?]?)(u?)(g?)(c?)(t?))([r-][w-][x-][r-][w-][x-][r-][w-][x-])$/;

interface ParsedFileMode {
  type: FileType | undefined;
  /** Permission bits with setuid, setgid and sticky: at most 0o7777. */
  permissions: number;
}

/** A cache: a listing has only few mode texts. */
const parsedModes = new Map<string, ParsedFileMode>();

/** Reads a mode text; undefined when it is not one. */
export function parseFileMode(text: string): ParsedFileMode | undefined {
  const known = parsedModes.get(text);
  if (known !== undefined) return known;
  const parsed = parseMode(text);
  if (parsed !== undefined) parsedModes.set(text, parsed);
  return parsed;
}

function parseMode(text: string): ParsedFileMode | undefined {
  const match = modePattern.exec(text);
  if (match === null) return undefined;
  const [, type = '', setuid, setgid, char = '', sticky, rwx = ''] = match;
  let permissions = (setuid ? 0o4000 : 0) | (setgid ? 0o2000 : 0) | (sticky ? 0o1000 : 0);
  for (let bit = 0; bit < 9; bit++) {
    if (rwx.charAt(bit) !== '-') permissions |= 0o400 >> bit;
  }
  const found = Object.entries(typeLetters).find(([, letters]) => letters === type + char);
  return { type: found?.[0] as FileType | undefined, permissions };
}

/** Reads the decimal `mode` parameter of `/write`; undefined unless it is a plain file's permissions. */
export function parseWriteMode(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const mode = Number(text);
  return mode <= 0o777 ? mode : undefined;
}

/**
 * The `mode` parameter of `/write` for a mode as `fs.stat` gives it: the type and the setuid, setgid and sticky bits
 * are left out.
 *
 * @throws GomoteError ERR_USAGE when it is not the mode of a regular file.
 */
export function formatWriteMode(mode: number): string {
  const type = mode & ~0o7777;
  if (Number.isInteger(mode) && (type === 0 || type === 0o100000)) return String(mode & 0o777);
  throw new GomoteError('ERR_USAGE', `${mode} is not the mode of a file`, {
    hint: 'give permission bits, such as 0o644, or the mode of fs.stat',
  });
}
