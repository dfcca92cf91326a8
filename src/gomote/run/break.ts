// Stops commands when a line of their output matches.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import { breakFeature } from '../../protocol/features.ts';
import { breakLimit } from '../../protocol/session.ts';

/**
 * Throws ERR_UNSUPPORTED where the buildlet cannot stop a command, and ERR_USAGE for an expression that is too long.
 *
 * @param option The caller's name of the option, for messages.
 */
export async function requireBreak(
  client: BuildletClient,
  breakOn: string,
  { option = 'breakOn', signal }: { option?: string; signal: AbortSignal },
): Promise<void> {
  if (breakOn.length > breakLimit) {
    throw new GomoteError('ERR_USAGE', `${option} is longer than ${breakLimit} characters`, {
      hint: 'give a shorter regular expression',
    });
  }
  if (await client.has(breakFeature, { signal })) return;
  throw new GomoteError(
    'ERR_UNSUPPORTED',
    `${client.name} cannot stop a command, as ${option} needs`,
    {
      hint: `leave ${option} out, or run a newer buildlet there`,
    },
  );
}
