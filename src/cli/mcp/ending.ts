// Describes how a command ended, for the agent.

export interface Ending {
  readonly words: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export const endingOf = (
  code: number | null | undefined,
  signal: string | null | undefined,
): Ending =>
  signal
    ? { words: `ended by ${signal}`, data: { status: 'signal', signal } }
    : { words: `exit status ${code}`, data: { status: 'exited', exitCode: code } };

export const running: Ending = { words: 'still running', data: { status: 'running' } };
