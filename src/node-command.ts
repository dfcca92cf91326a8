// The command that starts this process's Node again.
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The Node that our programs run on. Bun and Deno run the library, but not the buildlet: there it is the first one on PATH, or
 * its bare name where there is none.
 */
export function nodePath(): string {
  if (!('bun' in process.versions || 'deno' in process.versions)) return process.execPath;
  const directories = (process.env.PATH ?? '').split(delimiter).filter((one) => one !== '');
  return directories.map((one) => join(one, 'node')).find(existsSync) ?? 'node';
}

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
