// Times of files as Node's calls take them.
import { futimesSync } from 'node:fs';
import { lutimesSync } from './named-fs.ts';

/**
 * A time as Node wants it. Half of all milliseconds would be cut to the one before, since seconds as a fraction are not
 * exact: these get a microsecond more. Whole seconds stay what they are.
 */
export function exactTime(mtimeMs: number): number | Date {
  // Node takes a negative number for now.
  if (mtimeMs < 0) return new Date(mtimeMs);
  return (mtimeMs % 1000 === 0 ? mtimeMs : mtimeMs + 0.001) / 1000;
}

/** Sets the time of an open file. */
export function setFileTime(fd: number, mtimeMs: number): void {
  const exact = exactTime(mtimeMs);
  futimesSync(fd, exact, exact);
}

/** Sets the time of what is at the path itself, also of a link. */
export function setLinkTime(path: string, time: Date): void {
  const exact = exactTime(time.getTime());
  lutimesSync(path, exact, exact);
}
