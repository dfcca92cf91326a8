// One line of `/ls`: mode, name, and for a regular file its size, time and, when asked for, SHA-1 digest.
import { type FileType, formatFileMode, parseFileMode } from './file-mode.ts';

interface ListedFile {
  /** Unix `st_mode`: type and permissions. */
  mode: number;
  /** Relative to the listed directory, without a slash at the end. */
  name: string;
  sizeBytes: number;
  mtimeMs: number;
  /** Lower-case hex SHA-1; absent when no digest was asked for. */
  sha1?: string | undefined;
}

/** Whether a line can hold the name unescaped: a tab or newline would be read as part of the format. */
export const canListName = (name: string): boolean => !/[\t\n]/.test(name);

/** The extension for arbitrary names: the parameter that asks for it, and the header of a reply that uses it. */
export const listedNames = {
  parameter: 'names',
  header: 'Gomote-Names',
  escaped: 'escaped',
} as const;

/**
 * The extension that ends a listing with a final line: behind a proxy that speaks HTTP/1.0, a truncated reply looks
 * complete.
 */
export const listingEnd = {
  parameter: 'end',
  header: 'Gomote-List-End',
  wanted: '1',
  line: '.',
} as const;

const escapes: ReadonlyMap<string, string> = new Map([
  ['\\', '\\\\'],
  ['\t', '\\t'],
  ['\n', '\\n'],
]);
const unescapes = new Map([...escapes].map(([plain, text]) => [text, plain]));

/** The name as a line can carry it: `\\`, `\t` and `\n` for a backslash, a tab and a newline. */
export const escapeListName = (name: string): string =>
  name.replaceAll(/[\\\t\n]/g, (plain) => escapes.get(plain) ?? plain);

/** Reads {@link escapeListName}; undefined for any other escape. */
function unescapeListName(text: string): string | undefined {
  if (!text.includes('\\')) return text;
  if (!/^(?:[^\\]|\\[\\tn])*$/.test(text)) return undefined;
  return text.replaceAll(/\\[\\tn]/g, (part) => unescapes.get(part) ?? part);
}

/** The last one: many files of a tree have the same time. */
let lastTime = { seconds: 0, text: '1970-01-01T00:00:00Z' };

/** RFC 3339 in UTC with whole seconds, as the listing's times are. */
function formatListTime(timeMs: number): string {
  const seconds = Math.floor(timeMs / 1000);
  if (seconds !== lastTime.seconds) {
    lastTime = { seconds, text: `${new Date(seconds * 1000).toISOString().slice(0, -5)}Z` };
  }
  return lastTime.text;
}

/** The line of one entry, with its newline. */
export function formatListLine(file: ListedFile): string {
  const type = file.mode & 0o170000;
  const name = type === 0o040000 ? `${file.name}/` : file.name;
  const line = `${formatFileMode(file.mode)}\t${name}`;
  if (type !== 0o100000) return `${line}\n`;
  const digest = file.sha1 === undefined ? '' : `\t${file.sha1}`;
  return `${line}\t${file.sizeBytes}\t${formatListTime(file.mtimeMs)}${digest}\n`;
}

/** The prefix of a line for an unreadable entry. In a listing of the base protocol it is Go's, and the last line. */
const unreadStarts = { escaped: '!\t', plain: 'Walk error: ' } as const;

/** The line, with its newline, for an unreadable entry, in a listing with escaped names. */
export const formatUnreadLine = (name: string, reason: string): string =>
  `${unreadStarts.escaped}${escapeListName(name)}\t${reason}\n`;

export const formatWalkError = (path: string, reason: string): string =>
  `${unreadStarts.plain}lstat ${path}: ${reason}`;

/** Reads {@link formatUnreadLine}; undefined for any other line. */
export function parseUnreadLine(line: string): { name: string; reason: string } | undefined {
  if (!line.startsWith(unreadStarts.escaped)) return undefined;
  const [, listed = '', reason = ''] = line.split('\t');
  const name = unescapeListName(listed);
  return name === undefined ? undefined : { name, reason };
}

/** Whether the line is {@link formatWalkError}. */
export const isWalkError = (line: string): boolean => line.startsWith(unreadStarts.plain);

/** One entry of a listing, as the client reads it. */
export interface DirEntry {
  /** The line, without its newline. Tabs and newlines of the name are unescaped. */
  readonly line: string;
  /** Relative to the listed directory, without a slash at the end; a byte that is not UTF-8 is U+DC80 to U+DCFF. */
  readonly name: string;
  /** Whether it is a directory. */
  readonly isDirectory: boolean;
  /** What it is: a file, a directory, a symbolic link or something else. */
  readonly type: FileType | undefined;
  /** Permission bits with setuid, setgid and sticky. */
  readonly permissions: number;
  /** Go's mode text, such as `drwxr-xr-x`. */
  readonly mode: string;
  /** Bytes; undefined unless a regular file. */
  readonly size: number | undefined;
  /** Whole seconds; undefined unless a regular file. */
  readonly mtime: Date | undefined;
  /** Lower-case hex SHA-1; undefined unless a regular file and asked for. */
  readonly digest: string | undefined;
  /** The line. */
  toString(): string;
}

/** Methods of an entry. */
const entryMembers = {
  toString(this: DirEntry): string {
    return this.line;
  },
};

/** Reads a line without its newline; undefined when it is not one of the protocol. */
export function parseListLine(
  line: string,
  { isEscaped = false }: { isEscaped?: boolean } = {},
): DirEntry | undefined {
  const fields = line.split('\t');
  const [mode = '', listed, size, mtime, digest] = fields;
  const parsed = parseFileMode(mode);
  const path = isEscaped && listed !== undefined ? unescapeListName(listed) : listed;
  if (parsed === undefined || path === undefined || fields.length > 5) return undefined;
  // A file's line without a size was split at a newline in its name.
  if (size === undefined ? parsed.type === 'file' : !/^[0-9]+$/.test(size)) return undefined;
  const time = mtime === undefined ? undefined : new Date(mtime);
  if (time !== undefined && Number.isNaN(time.getTime())) return undefined;
  const isDirectory = parsed.type === 'directory';
  return {
    // Not an own property: entries are compared and copied by their data.
    __proto__: entryMembers,
    line: path === listed ? line : [mode, path, ...fields.slice(2)].join('\t'),
    name: isDirectory ? path.replace(/\/$/, '') : path,
    isDirectory,
    type: parsed.type,
    permissions: parsed.permissions,
    mode,
    size: size === undefined ? undefined : Number(size),
    mtime: time,
    digest: digest || undefined,
  } as DirEntry;
}
