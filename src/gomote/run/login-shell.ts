// The command that becomes the remote user's shell, and how to recognize it.

/**
 * Executes `$SHELL`, or `sh` where that is unset or missing, as a login shell or with one line. A line whose program has a
 * relative path that only the home directory has starts there: tools that speak ssh name programs of theirs that way.
 */
const becomeShell =
  's=$SHELL; command -v "$s" >/dev/null || s=sh; ' +
  'if [ $# -eq 0 ]; then exec "$s" -l; fi; ' +
  `p=\${1%% *}; case $p in [!/]*/*) [ -e "$p" ] || [ ! -e "$HOME/$p" ] || cd; esac; ` +
  'exec "$s" -c "$1"';

const cmd = '/bin/sh';

/** The command for the login shell, or for one line that it runs. */
export const loginShell = (line: string): { cmd: string; args: string[] } => ({
  cmd,
  args: ['-c', becomeShell, 'sh', ...(line === '' ? [] : [line])],
});

/** The line that the shell runs, '' for a login shell; undefined for any other command. */
export function shellCommandLine(command: readonly string[]): string | undefined {
  const [program, flag, script, , line = ''] = command;
  return program === cmd && flag === '-c' && script === becomeShell ? line : undefined;
}
