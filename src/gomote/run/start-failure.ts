// Explains why a command did not start, in terms of the command line.
import { NotStartedError } from '../../errors.ts';

/** The error for `cmd` in `dir`; a buildlet reports both as paths on its own disk. */
export function startFailure(
  { state, reason, message }: NotStartedError,
  cmd: string,
  dir: string,
): NotStartedError {
  const [, call, why] = /^(fork\/exec|chdir|exec:) .*: (.*)$/s.exec(state) ?? [];
  if (call === undefined) return new NotStartedError(state, reason, message);
  const where = call === 'chdir' ? `chdir ${dir === '' ? '.' : dir}: ` : '';
  return new NotStartedError(state, reason, `cannot start ${cmd}: ${where}${why}`);
}
