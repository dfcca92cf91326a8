// A call of a tool, as the agent made it.

export interface Call {
  /** Aborts when the agent cancels it, and when this process is to end. */
  readonly signal: AbortSignal;
  /** Tells the agent, in a few words, how far it is. */
  readonly onProgress: (step: string) => void;
}
