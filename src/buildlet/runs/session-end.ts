// Determines how a session ended, from its command's end.
import type { EndReason } from '../../protocol/session.ts';
import type { Exit } from '../command/command.ts';

/** Signals that ask a command to end. */
export const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL'];

/**
 * @param asked `why`: the reason for which the session ended it, if it did. `wasAsked`: whether a signal that asks for its end was
 * sent on request.
 * @param wasMemoryShort Whether the kernel has killed something meanwhile for lack of memory.
 */
export function endReasonOf(
  { code, signal }: Exit,
  { why, wasAsked }: { readonly why: EndReason | undefined; readonly wasAsked: boolean },
  wasMemoryShort: () => boolean,
): EndReason {
  if (why !== undefined) return why;
  const isKilled = signal === 'SIGKILL' || code === 128 + 9;
  if (isKilled && wasMemoryShort()) return 'memory';
  if (signal === null) return 'exit';
  return wasAsked ? 'killed' : 'signal';
}
