// Disks of Windows and macOS ignore case and how accents are written: a file may be there under another name.
import { basename, dirname, join } from 'node:path';
import { existsSync, readdirSync } from '../../files/named-fs.ts';
import { quoted } from '../../printable.ts';

/** The same for all names that such a disk may take for one. */
export const foldedName = (name: string): string =>
  name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');

/** Another of the names that stands for the name; undefined when the name itself is among them. */
export function otherNameIn(names: readonly string[], name: string): string | undefined {
  if (names.includes(name)) return undefined;
  const folded = foldedName(name);
  return names.find((one) => foldedName(one) === folded);
}

/** That a path which exists has another name on this disk, as a reason. */
export function whyOtherName(
  top: string,
  path: string,
  platform: NodeJS.Platform = process.platform,
  exists: (path: string) => boolean = existsSync,
): string | undefined {
  if (platform === 'linux' || !exists(join(top, path))) return undefined;
  try {
    const other = otherNameIn(readdirSync(dirname(join(top, path))), basename(path));
    return other === undefined ? undefined : `the same file on this disk as ${quoted(other)}`;
  } catch {
    return undefined;
  }
}
