// One line of `/ls`: mode, name, and for a regular file its size, time and, when asked for, SHA-1 digest.
import { type FileType, formatFileMode, parseFileMode } from './file-mode.ts';

export interface ListedFile {
  /** Unix `st_mode`: type and permissions. */
  mode: number;
  /** Relative to the listed directory, without a slash at the end. */
  name: string;
  sizeBytes: number;
  mtimeMs: number;
  /** Lower-case hex SHA-1; absent when no digest was asked for. */
  sha1?: string | undefined;
}

/** Whether the line format can carry the name: a tab or newline in it cannot be told from the format's own. */
export const canListName = (name: string): boolean => !/[\t\n]/.test(name);

/** RFC 3339 in UTC with whole seconds, as the listing's times are. */
export function formatListTime(timeMs: number): string {
  return `${new Date(Math.floor(timeMs / 1000) * 1000).toISOString().slice(0, -5)}Z`;
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

/** One entry of a listing, as the client reads it. */
export interface DirEntry {
  /** The line as received, without its newline. */
  readonly line: string;
  /** Relative to the listed directory, without a slash at the end. */
  readonly name: string;
  readonly isDirectory: boolean;
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
}

/** Reads a line without its newline; undefined when it is none of the protocol's. */
export function parseListLine(line: string): DirEntry | undefined {
  const [mode = '', path, size, mtime, digest, ...more] = line.split('\t');
  const parsed = parseFileMode(mode);
  if (parsed === undefined || path === undefined || more.length > 0) return undefined;
  if (size !== undefined && !/^[0-9]+$/.test(size)) return undefined;
  const time = mtime === undefined ? undefined : new Date(mtime);
  if (time !== undefined && Number.isNaN(time.getTime())) return undefined;
  const isDirectory = parsed.type === 'directory';
  return {
    line,
    name: isDirectory ? path.replace(/\/$/, '') : path,
    isDirectory,
    type: parsed.type,
    permissions: parsed.permissions,
    mode,
    size: size === undefined ? undefined : Number(size),
    mtime: time,
    digest: digest || undefined,
  };
}
