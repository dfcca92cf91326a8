// How a command ended, as answers tell it.

/** How a command ended: in words, and for programs. */
export interface Ending {
  readonly words: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Of the status that it left, or the signal that ended it. */
export const endingOf = (
  code: number | null | undefined,
  signal: string | null | undefined,
): Ending =>
  signal
    ? { words: `ended by ${signal}`, data: { status: 'signal', signal } }
    : { words: `exit status ${code}`, data: { status: 'exited', exitCode: code } };

export const running: Ending = { words: 'still running', data: { status: 'running' } };
