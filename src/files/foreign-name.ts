// Names from another machine that must not be created on this one. The file system decides what a name means:
// macOS ignores some characters, Windows ignores dots and spaces at the end, and both ignore case.
import { whyNoName, windowsDevice } from './file-name.ts';

/** Elements of a path; a backslash separates them on Windows. */
const separators = /[/\\]/;
/** Includes the characters that HFS+ ignores in names, and those that ext4 ignores in case-folding directories. */
const ignorable = /\p{Default_Ignorable_Code_Point}/gu;
/** What NTFS ignores: the name of a stream, then dots and spaces at the end. */
const ntfsEnding = /(?::.*|[. ]+)$/s;
/** `.git`, and the short names that Windows gives it. */
const gitDirectory = /^(?:\.git|git~[0-9]+)$/;
/** The state of a work directory, and incomplete files. */
const ours = /^\.gomote(?:-(?:push-|pull-)?[0-9a-z]{6,}.*)?$/;

/** All names that file systems may take the element for. */
function* readings(element: string): Generator<string> {
  const visible = element.normalize('NFKC').replace(ignorable, '');
  let name = visible;
  for (
    let next = name.replace(ntfsEnding, '');
    next !== name;
    next = name.replace(ntfsEnding, '')
  ) {
    name = next;
  }
  yield visible.toLowerCase();
  yield name.toLowerCase();
  yield name.toUpperCase().toLowerCase();
}

const isAny = (element: string, pattern: RegExp): boolean => {
  for (const reading of readings(element)) if (pattern.test(reading)) return true;
  return false;
};

/** Matches nearly all paths: ASCII elements that do not begin with a dot. */
const harmless = /^[\w\-+=@,][\w.\-+=@,]*(?:\/[\w\-+=@,][\w.\-+=@,]*)*$/;

/** Whether an element of the path is `.git`, or some file system takes it for that. */
export function hasGitDirectory(path: string): boolean {
  if (harmless.test(path)) return false;
  return path.split(separators).some((element) => isAny(element, gitDirectory));
}

/** Why a path from another machine must not be created on this one; undefined when it may. */
export function whyRefused(
  path: string,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const isWindows = platform === 'win32';
  if (!isWindows && harmless.test(path)) return undefined;
  const elements = path.split('/');
  if (
    path.includes('\0') ||
    elements.some((name) => name === '' || name === '.' || name === '..')
  ) {
    return 'not a path below the directory';
  }
  if (hasGitDirectory(path)) return 'nothing is written into .git';
  const isOurs = elements.some((name, at) => {
    const isState = at === 0 || !/^\.gomote$/i.test(name);
    return isState && isAny(name, ours);
  });
  if (isOurs) return 'the name is reserved';
  if (!isWindows) return undefined;
  for (const name of elements) {
    const reason = whyNoName(name, platform);
    if (reason !== undefined) return reason;
    if (isAny(name, windowsDevice)) return 'Windows has no such name';
  }
  return undefined;
}
