// A finding of gomote doctor.
import { isGomoteError, messageOf } from '../../errors.ts';

export interface Finding {
  /** What was checked, such as `node` or `backend team`. */
  readonly check: string;
  /** A warning is informational; a problem keeps gomote from working. */
  readonly state: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** The cure; present unless the state is `ok`. */
  readonly cure?: string | undefined;
}

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message });

export const warning = (check: string, message: string, cure: string): Finding => ({
  check,
  state: 'warning',
  message,
  cure,
});

/** Converts a failure into a problem, with the hint as the cure. */
export const problem = (check: string, error: unknown, cure: string): Finding => ({
  check,
  state: 'problem',
  message: messageOf(error),
  cure: (isGomoteError(error) ? error.hint : undefined) ?? cure,
});

/** The result of the work, or that of `late` when the work takes too long. */
export async function within<T>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => T,
): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      resolve(late());
      controller.abort();
    }, limitMs);
  });
  try {
    return await Promise.race([work(controller.signal), timedOut]);
  } finally {
    clearTimeout(timer);
  }
}
