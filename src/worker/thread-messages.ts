// What a thread and its owner tell each other; each job has a channel of its own.
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';

/** To the thread: a piece of the source, its end, or that it has failed. */
export type ToThread = Uint8Array | 'end' | 'stop';

/** From the thread: a piece was used up, or the job is over. */
export type FromThread<Result> = { taken: number } | { done: Result } | { failed: FailureMessage };

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
