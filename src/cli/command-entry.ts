// A command as the table of commands has it.
import type { Command } from 'commander';
import type { Context } from './context.ts';

export interface CommandModule {
  define(command: Command, context: Context): void;
  /** Rewrites the words after the command's name into a form that commander parses. */
  rewrite?(args: readonly string[]): string[];
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** Whether its exit codes below 125 are those of a remote command. */
  readonly isRun?: boolean;
  /** Whether a remote command follows the first operand, whose options are not parsed. */
  readonly takesCommand?: boolean;
  /**
   * Whether its first argument is a buildlet that may be omitted, and what several mean: `each` is
   * handled separately, all are passed as a list, or several are refused. Absent: it reads its arguments itself.
   */
  readonly buildlets?: 'each' | 'list' | 'one';
  /** The option, by commander's name, that makes it work without a buildlet. */
  readonly noneWith?: string;
}
