// How the reading of a tree stream fails.
import { GomoteError } from '../errors.ts';

/** The sender could not continue; everything before that is complete. */
export class SenderFailure extends GomoteError {
  constructor(message: string) {
    super('ERR_LOST', message);
  }
}

/** The stream is not what was sent. */
export const damaged = (what: string): GomoteError =>
  new GomoteError('ERR_LOST', `tree stream: ${what}`);
