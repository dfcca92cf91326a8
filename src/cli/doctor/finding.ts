// What gomote doctor finds.
import { isGomoteError, messageOf } from '../../errors.ts';

export interface Finding {
  /** What was looked at, such as `node` or `backend team`. */
  readonly check: string;
  /** A warning is something to know; a problem keeps gomote from working. */
  readonly state: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it: always there unless the state is ok. */
  readonly cure?: string | undefined;
}

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message });

export const warning = (check: string, message: string, cure: string): Finding => ({
  check,
  state: 'warning',
  message,
  cure,
});

/** A failure as a problem, with the cure that it names. */
export const problem = (check: string, error: unknown, cure: string): Finding => ({
  check,
  state: 'problem',
  message: messageOf(error),
  cure: (isGomoteError(error) ? error.hint : undefined) ?? cure,
});

/** What the work gives; when it takes longer, what `late` says, and the work goes on unheeded. */
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
