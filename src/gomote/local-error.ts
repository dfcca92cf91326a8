// The failure of a file of this machine.
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

export function localError(verb: string, file: string, error: unknown): GomoteError {
  const reason = errnoText(errnoOf(error) ?? String(error));
  return new GomoteError('ERR_LOCAL_FILE', `cannot ${verb} "${file}": ${reason}`, {
    hint: errnoOf(error) === 'ENOSPC' ? 'make room there' : 'check the path and its permissions',
    cause: error,
  });
}
