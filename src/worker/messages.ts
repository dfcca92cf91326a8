// The messages between a thread and its owner; each job has its own channel.
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';

/** On a channel, in both directions: bytes, their end, credit, cancel, or a message. */
export type ChannelMessage<T> =
  | Uint8Array
  | 'end'
  | 'cancel'
  | { readonly credit: number }
  | { readonly message: T };

/** From the thread, besides bytes: an event, or how the job ended. */
export type FromThread<Result, Event> =
  | { readonly event: Event }
  | { readonly done: Result }
  | { readonly failed: Failure };

/** An error in a message, in which classes and codes would be lost. */
interface Failure {
  readonly code: GomoteError['code'] | undefined;
  readonly message: string;
  readonly cause: { readonly message: string; readonly code: string | undefined } | undefined;
}

export function toFailure(error: unknown): Failure {
  const cause = error instanceof Error ? error.cause : undefined;
  return {
    code: isGomoteError(error) ? error.code : undefined,
    message: messageOf(error),
    cause: cause === undefined ? undefined : { message: messageOf(cause), code: errnoOf(cause) },
  };
}

export function fromFailure({ code, message, cause }: Failure): Error {
  const options =
    cause === undefined
      ? {}
      : { cause: Object.assign(new Error(cause.message), { code: cause.code }) };
  return code === undefined ? new Error(message, options) : new GomoteError(code, message, options);
}
