// File names on this machine. A name is text in which a byte that is not UTF-8 is a lone surrogate
// (protocol/name-bytes.ts); named-fs.ts has the calls of node:fs for such names.
import { GomoteError } from '../errors.ts';
import { quoted } from '../printable.ts';
import { bytesOfName } from '../protocol/name-bytes.ts';
import { normalizeRelativePath, pathElements } from '../protocol/relative-path.ts';

/** The path for Node: text, or bytes when it is not UTF-8. */
export const fsPath = (path: string): string | Buffer =>
  path.isWellFormed() ? path : bytesOfName(path);

/**
 * Why no file on this machine can have the name, which is one element of a path; undefined when one can. Even where names are bytes,
 * a file system may refuse some.
 */
export function whyNoName(
  name: string,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  if (platform !== 'win32')
    return /^\.{0,2}$|[/\0]/.test(name) ? 'no file has such a name' : undefined;
  if (!name.isWellFormed()) return 'Windows takes names in UTF-8 only';
  const isTaken = !(/^\.{0,2}$|[\\/:*?"<>|\p{Cc}]|[. ]$/u.test(name) || windowsDevice.test(name));
  return isTaken ? undefined : 'Windows has no such name';
}

/** A device of Windows, whatever follows the first dot. */
export const windowsDevice =
  /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:[. :].*)?$/i;

/** Whether system calls accept a path of this length. */
export const fitsInPath = (path: string, platform: NodeJS.Platform = process.platform): boolean =>
  platform === 'win32'
    ? // UTF-16, less the prefix that Node gives long paths.
      path.length < 32_767 - 8
    : bytesOfName(path).length < (platform === 'linux' ? 4096 : 1024);

/** The maximum number of links in one path, as on Linux. */
export const maxLinks = 40;

/** The refusal of a path of the protocol. */
export const pathError = (relative: string, what: string): GomoteError =>
  new GomoteError('ERR_PATH', `path ${quoted(relative)} ${what}`);

export const linkFaults = {
  loop: 'has too many levels of symbolic links',
  outside: 'leaves the directory through a symbolic link',
} as const;

/** Splits a path of the protocol into elements. Throws ERR_PATH when it is not one, or no file on this machine can have it. */
export function elementsOf(relative: string): string[] {
  // Refuse `/etc/passwd`, `../x` and, where a backslash separates, `a\..\..\x`.
  const normalized = normalizeRelativePath(relative);
  if (normalized === undefined) {
    throw new GomoteError('ERR_PATH', `bogus path ${quoted(relative)}`);
  }
  const elements = pathElements(normalized);
  for (const element of elements) {
    const reason = whyNoName(element);
    if (reason === undefined) continue;
    throw new GomoteError('ERR_PATH', `path ${quoted(relative)}: ${reason}`);
  }
  return elements;
}
