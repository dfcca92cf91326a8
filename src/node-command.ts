// The command that starts this process's Node again.
import { readFileSync } from 'node:fs';

interface NodeCommand {
  readonly file: string;
  /** Before the program's path. */
  readonly args: readonly string[];
}

/** A Node that was started by a loader of its own needs that again: what is taken for its program is the loader. */
export function nodeCommand(): NodeCommand {
  if (process.platform !== 'linux') return { file: process.execPath, args: [] };
  const words = readFileSync('/proc/self/cmdline', 'utf8').split('\0');
  const own = words.slice(0, words.indexOf(process.argv[1] ?? ''));
  const isByLoader = own[1] === '--library-path';
  return { file: process.execPath, args: isByLoader ? own.slice(1, 4) : [] };
}
