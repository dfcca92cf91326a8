// A run whose end this side did not see.
import type { Session } from '../../client/runs/session.ts';
import { GomoteError, isConnectionError } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';

/** How long a command has between TERM and KILL unless the caller says so, in ms. */
export const defaultKillAfterMs = 5_000;

/** How long ending a run that nobody wants any more may take, in ms. */
const endMs = 2_000;

/** A failure of the connection says how to go on; after one on this side nobody wants the command any more, and it is ended. */
export async function lostRun(
  error: unknown,
  session: Session,
  { name, killAfterMs }: { readonly name: string; readonly killAfterMs: number },
): Promise<unknown> {
  if (error instanceof GomoteError && isConnectionError(error)) {
    return new GomoteError(error.code, `lost run ${session.id}: ${error.message}`, {
      hint: `if it still runs: gomote attach ${name} ${session.id}`,
      cause: error,
    });
  }
  const late = timeoutSignal(endMs);
  await session.kill('SIGTERM', { killAfterMs, signal: late }).catch(() => undefined);
  return error;
}
