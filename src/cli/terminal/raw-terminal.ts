// Puts the user's terminal in raw mode, so that every key goes to the remote command, and always restores it.
import { spawnSync } from 'node:child_process';
import type { Terminal } from './terminal.ts';

export interface RawTerminal {
  restore(): void;
  /** Stops this process and its process group as Ctrl-Z does; the terminal is restored while it is stopped. */
  suspend(): void;
}

/**
 * Puts standard input, which must be a terminal, into raw mode.
 *
 * @param undo Returns the output that restores the screen.
 */
export function takeTerminal(terminal: Terminal, undo: () => string): RawTerminal {
  const { stdin, stdout } = terminal;
  const enter = () => {
    stdin.setRawMode?.(true);
    // Node leaves output processing on, which breaks programs that use a line feed to move the cursor down.
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
    // The size may have changed: only the foreground process receives the signal.
    process.kill(process.pid, 'SIGWINCH');
  };
  const onContinue = () => {
    if (!terminal.isRaw) return;
    // The shell may have reset the terminal meanwhile, so leave raw mode first: Node assumes that it is still raw.
    stdin.setRawMode?.(false);
    goOn();
  };
  const stop = (pid: number) => {
    leave();
    // SIGTSTP, unlike SIGSTOP, has no effect where no shell could continue this process.
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
