// Formats a file as `ls -l` does, for users of sftp.
import type { Stats } from 'node:fs';

/** The first letter, by the file type in a mode. */
const kinds = '?pc?d?b?-?l?s???';

const kindShift = 12;

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** Older files have the year in place of the time, in ms. */
const recentMs = 182 * 24 * 3_600_000;

export function listingLine(name: Buffer, stats: Stats, now = Date.now()): Buffer {
  const { nlink, uid, gid, size, mtime } = stats;
  const twoDigits = (number: number) => String(number).padStart(2, '0');
  const age = now - mtime.getTime();
  const isRecent = age < recentMs && age > -recentMs;
  const hour = `${twoDigits(mtime.getHours())}:${twoDigits(mtime.getMinutes())}`;
  const time = isRecent ? hour : String(mtime.getFullYear()).padStart(5);
  const fields = [
    modeText(stats.mode),
    String(nlink).padStart(4),
    String(uid).padEnd(8),
    String(gid).padEnd(8),
    String(size).padStart(8),
    months[mtime.getMonth()] ?? '',
    String(mtime.getDate()).padStart(2),
    time,
  ];
  return Buffer.concat([Buffer.from(`${fields.join(' ')} `), name]);
}

function modeText(mode: number): string {
  const bits = [...'rwxrwxrwx'].map((letter, i) => ((mode >> (8 - i)) & 1 ? letter : '-'));
  const special = (at: number, bit: number, letter: string) => {
    if (mode & bit) bits[at] = bits[at] === 'x' ? letter : letter.toUpperCase();
  };
  special(2, 0o4000, 's');
  special(5, 0o2000, 's');
  special(8, 0o1000, 't');
  return `${kinds[(mode >> kindShift) & 0xf]}${bits.join('')}`;
}
