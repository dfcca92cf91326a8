// Sends a session's input: the next piece is read while one is sent, and each byte is kept until it is acknowledged.
import { isGomoteError, isStatus } from '../../errors.ts';
import { transportError } from '../../http/client/request.ts';
import { inputLimitBytes } from '../../protocol/session.ts';
import type { Outage } from './outage.ts';

interface InputOptions {
  readonly signal: AbortSignal;
  readonly outage: Outage;
  /** Where in the input the source begins. */
  readonly offset: number;
  /** Sends bytes for the offset, and whether the input ends with them; returns how much has been taken in all. */
  readonly send: (
    bytes: Uint8Array,
    offset: number,
    end: boolean,
  ) => Promise<{ offset: number; closed: boolean }>;
}

/** Sends all of the source; resolves when it is accepted, or the command accepts no more. */
export async function sendInput(
  source: AsyncIterable<Uint8Array>,
  options: InputOptions,
): Promise<void> {
  const pieces = inChunks(source, options.signal);
  let { offset } = options;
  try {
    for await (const { bytes, end } of pieces) {
      if (!(await sendPiece(bytes, offset, end, options))) return;
      offset += bytes.length;
    }
  } finally {
    await pieces.return(undefined);
  }
}

/** Sends it until it is accepted; false when the command accepts no more. */
async function sendPiece(
  bytes: Uint8Array,
  offset: number,
  end: boolean,
  { send, outage }: InputOptions,
): Promise<boolean> {
  for (;;) {
    try {
      const { closed } = await send(bytes, offset, end);
      outage.over();
      return !closed;
    } catch (error) {
      // A session that is known no more has ended, or its reader says what has become of it.
      if (isStatus(error, 404)) return false;
      if (!isGomoteError(error)) throw error;
      await outage.wait(error);
    }
  }
}

/** The source in pieces of what has come meanwhile, at most `inputLimitBytes` each; the last one says so. */
async function* inChunks(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<{ bytes: Uint8Array; end: boolean }, void, undefined> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let end = false;
  let failure: unknown;
  let stopped = false;
  let wake: () => void = () => undefined;
  const changed = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  void (async () => {
    try {
      for await (const chunk of source) {
        held.push(chunk);
        heldBytes += chunk.length;
        wake();
        while (heldBytes >= inputLimitBytes && !stopped) await changed();
        if (stopped) return;
      }
    } catch (error) {
      failure = error;
    }
    end = true;
    wake();
  })();
  try {
    for (;;) {
      while (heldBytes === 0 && !end && !signal.aborted) await changed();
      if (signal.aborted) throw transportError(signal.reason, signal, 'ERR_LOST');
      if (failure !== undefined) throw failure;
      const bytes = Buffer.concat(held);
      held = [];
      heldBytes = 0;
      const isLast = end;
      wake();
      yield { bytes, end: isLast };
      if (isLast) return;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stopped = true;
    wake();
  }
}
