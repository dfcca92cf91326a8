// What a buildlet could not read of a directory: a header beside the listing, which clients that do not know it ignore.
import { printable } from '../printable.ts';

export const unreadHeader = 'Gomote-Unread';

/** Why a FIFO, a device or a socket does not come. */
export const notOfTree = 'neither a file, a directory nor a link';

/** How many are named, and how much of each path and reason. */
const limits = { count: 10, path: 300, reason: 100 } as const;

/** By path, why it could not be read. */
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

/** Reads {@link formatUnread}; what is anything else is left out. */
export function parseUnread(text: string): Map<string, string> {
  const unread = new Map<string, string>();
  for (const [path, reason] of [...new URLSearchParams(text)].slice(0, limits.count + 1)) {
    unread.set(path.slice(0, limits.path + 1), reason.slice(0, limits.reason + 1));
  }
  return unread;
}

const failureStart = 'unread ';

/** What ends a tree stream of all but what could not be read. */
export const unreadFailure = (unread: ReadonlyMap<string, string>): string =>
  failureStart + formatUnread(unread);

/** Reads {@link unreadFailure}; undefined for any other failure. */
export const parseUnreadFailure = (text: string): Map<string, string> | undefined =>
  text.startsWith(failureStart) ? parseUnread(text.slice(failureStart.length)) : undefined;
