// Errors for runs whose end the client did not see.
import type { Session } from '../../client/runs/session.ts';
import { GomoteError, isConnectionError } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';

/** The default delay between TERM and KILL, in ms. */
export const defaultKillAfterMs = 5_000;

/** The time limit for ending an abandoned run, in ms. */
const endMs = 2_000;

/** After a connection failure, the error explains how to continue; after a local failure, the command is ended. */
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
