// Reads a run to its end, and sends its input meanwhile.
import type { Session } from '../../client/runs/session.ts';
import type { SessionReadOptions, SessionResult } from '../../client/runs/session-options.ts';
import { GomoteError } from '../../errors.ts';
import { anySignal } from '../../timeout-signal.ts';

/** What a command gets on its standard input. */
export interface Input {
  readonly source: AsyncIterable<Uint8Array>;
  /** How many bytes of input the run has already received. Default 0. */
  readonly offset?: number | undefined;
}

export async function follow(
  session: Session,
  { signal, ...reading }: SessionReadOptions & { signal: AbortSignal },
  input?: Input,
): Promise<SessionResult> {
  if (input === undefined) return await session.read({ ...reading, signal });
  const over = new AbortController();
  void session
    .sendInput(input.source, { signal: over.signal, offset: input.offset })
    // A failure of the input also stops the output.
    .catch((error) => over.abort(error));
  try {
    return await session.read({ ...reading, signal: anySignal(signal, over.signal) });
  } finally {
    over.abort(new GomoteError('ERR_ABORTED', 'the command has ended'));
  }
}
