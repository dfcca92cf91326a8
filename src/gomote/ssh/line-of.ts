// An error as one line.
import { GomoteError, messageOf } from '../../errors.ts';

/** What failed, and what to do next. */
export const lineOf = (error: unknown): string =>
  error instanceof GomoteError && error.hint !== undefined
    ? `${error.message}; ${error.hint}`
    : messageOf(error);
