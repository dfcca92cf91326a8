// The talk of a create that takes longer than 10 s.

/** Without the lines that say what a create waits for: how many there are depends on the machine. */
export const withoutProgress = (stderr: string): string =>
  stderr.replaceAll(/^gomote: creating .*\n/gm, '');
