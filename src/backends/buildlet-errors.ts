// Errors of all backends: an unknown buildlet, a dead one, one of another user.
import { GomoteError } from '../errors.ts';

export const unknownBuildlet = (message: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_UNKNOWN_BUILDLET', message, {
    hint: 'it may have expired; see gomote list, or make one with gomote create',
    cause,
  });

export const deadBuildlet = (name: string, message: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_BUILDLET_DIED', message, {
    hint: `remove what is left of it: gomote destroy ${name}`,
    cause,
  });

/** @param isExclusive Whether the buildlet shares the cache with nobody. */
export const cacheInUse = (name: string, buildlet: string, isExclusive = false): GomoteError => {
  const sole = isExclusive ? ', which has it for itself' : '';
  return new GomoteError('ERR_CONFLICT', `the cache "${name}" is in use by ${buildlet}${sole}`, {
    hint: `wait until it has ended, or run gomote destroy ${buildlet}`,
  });
};

export const othersBuildlet = (name: string, owner: string): GomoteError =>
  new GomoteError('ERR_NOT_OWNER', `the buildlet "${name}" is ${owner}'s`, {
    hint: `give --user ${owner} to act as its owner`,
  });
