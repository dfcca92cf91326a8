// Names of files as this machine takes them. A name is text in which a byte that is not UTF-8 is a lone surrogate
// (protocol/name-bytes.ts); named-fs.ts has the calls of node:fs for such names.

import { GomoteError } from '../errors.ts';
import { quoted } from '../printable.ts';
import { bytesOfName } from '../protocol/name-bytes.ts';
import { normalizeRelativePath, pathElements } from '../protocol/relative-path.ts';

/** The path as Node takes it: text, or bytes where they are not UTF-8. */
export const fsPath = (path: string): string | Buffer =>
  path.isWellFormed() ? path : bytesOfName(path);

/**
 * Why no file of this machine can have the name, one element of a path; undefined when one can. Also where names are bytes,
 * a file system may take less, and then refuses the name.
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

/** Whether a system call takes a path of this length here. */
export const fitsInPath = (path: string): boolean =>
  bytesOfName(path).length < (process.platform === 'linux' ? 4096 : 1024);

/** The elements of a path of the protocol. Throws ERR_PATH when it is none, or no file of this machine can have it. */
export function elementsOf(relative: string): string[] {
  // Stops `/etc/passwd`, `../x` and, where it separates, `a\..\..\x`.
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
