// What is said of pods that cannot be used any more.
import type { GomoteError } from '../../errors.ts';
import { deadBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import type { PodOutcome } from './post-mortem.ts';

/** Undefined: the pod is not lost. */
export function lossError(
  name: string,
  outcome: PodOutcome,
  cause?: unknown,
): GomoteError | undefined {
  if (outcome === undefined) return undefined;
  return outcome === 'gone' ? unknown(name, cause) : died(name, outcome.ended, cause);
}

export const unknown = (name: string, cause?: unknown): GomoteError =>
  unknownBuildlet(`no buildlet "${name}" in the cluster`, cause);

export const died = (name: string, why: string, cause?: unknown): GomoteError =>
  deadBuildlet(name, `the buildlet "${name}" has died: ${why}`, cause);
