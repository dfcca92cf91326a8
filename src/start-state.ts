// What the shell scripts in bin/ saw when the program was started, and Node hides: it opens a closed output, and heeds
// signals that were ignored.

export interface StartState {
  /** Whether standard output was closed. Default false. */
  readonly isOutputClosed?: boolean;
  /** Signals that were ignored, as SIGHUP is by nohup(1), and SIGINT in the background of a script. Default: none. */
  readonly ignoredSignals?: readonly string[];
}

/** The signals that are to be heeded; those that were ignored at the start stay ignored. */
export function handledSignals<S extends NodeJS.Signals>(
  names: readonly S[],
  { ignoredSignals = [] }: StartState = {},
): S[] {
  const ignored = names.filter((name) => ignoredSignals.includes(name));
  for (const name of ignored) {
    // A listener keeps Node from ending the process.
    if (!process.listeners(name).includes(ignore)) process.on(name, ignore);
  }
  return names.filter((name) => !ignored.includes(name));
}

const ignore = (): void => undefined;
