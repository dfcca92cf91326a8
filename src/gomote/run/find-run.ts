// Finds a run by its id or a prefix of it.
import { didYouMean } from '../../did-you-mean.ts';
import { GomoteError } from '../../errors.ts';
import type { SessionInfo } from '../../protocol/session.ts';

/** Finds a run by id or prefix; throws ERR_UNKNOWN_SESSION when none or several match. */
export function findRun(runs: readonly SessionInfo[], name: string, given: string): SessionInfo {
  const exact = runs.find(({ id }) => id === given);
  if (exact !== undefined) return exact;
  const candidates = given === '' ? [] : runs.filter(({ id }) => id.startsWith(given));
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  if (only !== undefined) {
    throw new GomoteError('ERR_UNKNOWN_SESSION', `"${given}" is the beginning of several runs`, {
      hint: `they are: ${candidates.map(({ id }) => id).join(', ')}`,
    });
  }
  const ids = runs.map(({ id }) => id);
  throw new GomoteError('ERR_UNKNOWN_SESSION', `${name} has no run "${given}"`, {
    hint: didYouMean(given, ids) ?? `see gomote ps ${name}`,
  });
}
