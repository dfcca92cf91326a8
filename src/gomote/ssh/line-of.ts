// Formats an error as one line.
import { GomoteError, messageOf } from '../../errors.ts';

/** The message and the hint. */
export const lineOf = (error: unknown): string =>
  error instanceof GomoteError && error.hint !== undefined
    ? `${error.message}; ${error.hint}`
    : messageOf(error);
