// Puts the user's terminal in raw mode, so that every key goes to the remote command, and restores it in every case.
import { spawnSync } from 'node:child_process';
import type { Terminal } from './terminal.ts';

export interface RawTerminal {
  /** Puts the terminal back as it was. */
  restore(): void;
  /** Stops this process, and its process group, as Ctrl-Z would, with the terminal put back meanwhile. */
  suspend(): void;
}

/**
 * Takes over the terminal on standard input; it must be one.
 *
 * @param undo What to write to have the screen as it was.
 */
export function takeTerminal(terminal: Terminal, undo: () => string): RawTerminal {
  const { stdin, stdout } = terminal;
  const enter = () => {
    stdin.setRawMode?.(true);
    // Node leaves the output's line ends to the terminal, which breaks programs that move the cursor down by them.
    spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    terminal.isRaw = true;
  };
  const leave = () => {
    if (!terminal.isRaw) return;
    terminal.isRaw = false;
    const text = undo();
    if (text !== '') stdout.write(text);
    stdin.setRawMode?.(false);
  };
  const goOn = () => {
    enter();
    // Its size may have changed: only the foreground process gets the signal.
    process.kill(process.pid, 'SIGWINCH');
  };
  const onContinue = () => {
    if (!terminal.isRaw) return;
    // The shell may have reset the terminal while we were stopped; Node must not assume that it is still raw.
    stdin.setRawMode?.(false);
    goOn();
  };
  const stop = (pid: number) => {
    leave();
    // By the signal's own effect, so that a terminal whose shell cannot continue us does not stop us.
    process.off('SIGTSTP', onStop);
    process.kill(pid, 'SIGTSTP');
    process.on('SIGTSTP', onStop);
    goOn();
  };
  const onStop = () => stop(process.pid);
  enter();
  process.on('exit', leave).on('SIGTSTP', onStop).on('SIGCONT', onContinue);
  return {
    restore: () => {
      process.off('exit', leave).off('SIGTSTP', onStop).off('SIGCONT', onContinue);
      leave();
    },
    suspend: () => {
      if (process.platform !== 'win32') stop(0);
    },
  };
}
