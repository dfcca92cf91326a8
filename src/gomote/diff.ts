// How a buildlet's commands have changed what was pushed.
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError } from '../errors.ts';
import type { TreeDifference } from '../protocol/tree-difference.ts';
import { diff } from '../sync/diff.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';

/** The options of `diff`. */
export interface DiffOptions extends CallOptions {
  /** Called with entries that could not be read there, and why. Absent: that fails the call. */
  readonly onUnread?: ((path: string, reason: string) => void) | undefined;
}

export async function differences(
  { client }: ConnectedBuildlet,
  { signal, onUnread }: DiffOptions & { signal: AbortSignal },
): Promise<TreeDifference[]> {
  const unread: string[] = [];
  const tell = onUnread ?? ((path: string, reason: string) => unread.push(`${path}: ${reason}`));
  const found = await diff(client, signal, tell);
  throwUncompared(unread);
  return found;
}

/** Throws when something was not compared. */
export function throwUncompared(unread: readonly string[]): void {
  const [first] = unread;
  if (first === undefined) return;
  const more = unread.length > 1 ? ` and ${unread.length - 1} more` : '';
  throw new GomoteError('ERR_REPLY', `not compared: ${first}${more}`, {
    hint: 'everything else is listed',
  });
}
