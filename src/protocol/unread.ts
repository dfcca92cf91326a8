// What a buildlet could not read in a directory: a header of the listing, which other clients ignore.
import { printable } from '../printable.ts';

export const unreadHeader = 'Gomote-Unread';

/** Why a FIFO, a device or a socket is not sent. */
export const specialFileText = 'neither a file, a directory nor a link';

/** The maximum number of entries, and the maximum length of each path and reason. */
const limits = { count: 10, path: 300, reason: 100 } as const;

/** The reasons, by path. */
export function formatUnread(unread: ReadonlyMap<string, string>): string {
  const pairs = [...unread]
    .slice(0, limits.count)
    .map(([path, reason]) => [
      printable(path, { maxLength: limits.path }),
      printable(reason, { maxLength: limits.reason }),
    ]);
  if (unread.size > limits.count) pairs.push(['others', `${unread.size - limits.count} more`]);
  return pairs.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
}

/** Reads {@link formatUnread}; anything else is ignored. */
export function parseUnread(text: string): Map<string, string> {
  const unread = new Map<string, string>();
  for (const [path, reason] of [...new URLSearchParams(text)].slice(0, limits.count + 1)) {
    unread.set(path.slice(0, limits.path + 1), reason.slice(0, limits.reason + 1));
  }
  return unread;
}

const failureStart = 'unread ';

/** The failure that ends a tree stream with unread entries. */
export const unreadFailure = (unread: ReadonlyMap<string, string>): string =>
  failureStart + formatUnread(unread);

/** Reads {@link unreadFailure}; undefined for any other failure. */
export const parseUnreadFailure = (text: string): Map<string, string> | undefined =>
  text.startsWith(failureStart) ? parseUnread(text.slice(failureStart.length)) : undefined;
