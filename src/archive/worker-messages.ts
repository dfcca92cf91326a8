// What an unpacking thread and its owner tell each other; each job has a channel of its own.
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';
import type { UnpackTotals } from './extract.ts';

export interface UnpackJob {
  root: string;
  dir: string;
}

/** To the thread: a piece of the archive, its end, or that there will be none. */
export type ToWorker = Uint8Array | 'end' | 'stop';

/** From the thread: a piece was used up, or the job is over. */
export type FromWorker = { taken: number } | { done: UnpackTotals } | { failed: FailureMessage };

/** An error as it crosses threads, where classes and codes get lost. */
export interface FailureMessage {
  code: GomoteError['code'] | undefined;
  message: string;
  cause: { message: string; code: string | undefined } | undefined;
}

export function toFailure(error: unknown): FailureMessage {
  const cause = error instanceof Error ? error.cause : undefined;
  return {
    code: isGomoteError(error) ? error.code : undefined,
    message: messageOf(error),
    cause: cause === undefined ? undefined : { message: messageOf(cause), code: errnoOf(cause) },
  };
}

export function fromFailure({ code, message, cause }: FailureMessage): Error {
  const options =
    cause === undefined
      ? {}
      : { cause: Object.assign(new Error(cause.message), { code: cause.code }) };
  return code === undefined ? new Error(message, options) : new GomoteError(code, message, options);
}
