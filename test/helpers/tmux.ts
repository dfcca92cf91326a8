// A user at a real terminal: tmux, with a shell in it.
import { execFileSync, spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { until } from './processes.ts';
import type { Workshop } from './programs.ts';
import { hasTool } from './tools.ts';

export const hasTmux = hasTool('tmux', '-V');

export interface Screen {
  /** Types text as it is. */
  type(text: string): void;
  /** Presses keys by tmux's names: Enter, C-c, Escape. */
  press(...keys: string[]): void;
  /** Types a line to the shell. */
  enter(line: string): void;
  /** What is on the screen. */
  text(): string;
  /** Waits until the screen holds it. */
  shows(text: string | RegExp): Promise<void>;
  resize(columns: number, rows: number): void;
}

/** How long a screen may take, in ms: less than a test has, so that a failure shows the screen. */
const patienceMs = 40_000;

let count = 0;

/** A terminal of 80 columns and 24 rows with a shell in the workshop's directory, which ends with the test. */
export function openScreen({ directory, environment }: Workshop): Screen {
  const socket = `gomote-${process.pid}-${count++}`;
  const env = { ...environment, TMUX_TMPDIR: directory, LC_ALL: 'C.UTF-8', PS1: '$ ', ENV: '' };
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], {
      cwd: directory,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  tmux('new-session', '-d', '-x', '80', '-y', '24', 'sh');
  tmux('set-option', '-g', 'status', 'off');
  tmux('resize-window', '-x', '80', '-y', '24');
  onTestFinished(() => {
    spawnSync('tmux', ['-L', socket, 'kill-server'], { env });
  });
  const type = (text: string) => tmux('send-keys', '-l', text);
  const press = (...keys: string[]) => tmux('send-keys', ...keys);
  const text = () => tmux('capture-pane', '-p');
  return {
    type,
    press,
    enter: (line) => {
      type(line);
      press('Enter');
    },
    text,
    shows: async (wanted) => {
      try {
        const isShown = () =>
          typeof wanted === 'string' ? text().includes(wanted) : wanted.test(text());
        await until(isShown, patienceMs);
      } catch {
        throw new Error(`${wanted} is never shown, but:\n${text()}`);
      }
    },
    resize: (columns, rows) => tmux('resize-window', '-x', String(columns), '-y', String(rows)),
  };
}
