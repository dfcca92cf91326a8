// A tool call of the agent.

export interface Call {
  /** Aborts when the agent cancels the call, and when this process is asked to end. */
  readonly signal: AbortSignal;
  /** Reports the progress to the agent. */
  readonly onProgress: (step: string) => void;
}
