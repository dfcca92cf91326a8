// A user's programs, beside the package that is installed.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import { missing } from '../helpers/tools.ts';

/** Runs a program to its end, with state and configuration of its own; gives what it wrote to its standard output. */
export async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const own = { HOME: cwd, XDG_RUNTIME_DIR: cwd, XDG_STATE_HOME: cwd, XDG_CONFIG_HOME: cwd };
  const env = { ...process.env, ...own, XDG_CACHE_HOME: cwd, NO_COLOR: '1' };
  try {
    return (await promisify(execFile)(program, args, { cwd, env })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')}: ${error}\n${stdout}${stderr}`);
  }
}

/** A directory from which the package is found, with the files of fixtures/. */
export function consumer(): string {
  const directory = mkdtempSync(join(inject('installed'), 'use-'));
  cpSync(join(import.meta.dirname, 'fixtures'), directory, { recursive: true });
  return directory;
}

/** Installs a package by itself, and gives the path of a file in it; undefined, said loudly, where it is not to be had. */
export async function fetched(name: string, file: string): Promise<string | undefined> {
  const directory = join(inject('installed'), name.replaceAll(/[^\w.-]/g, '_'));
  mkdirSync(directory, { recursive: true });
  const args = ['install', '--prefix', directory, '--no-audit', '--no-fund', '--no-save', name];
  try {
    await promisify(execFile)('npm', args, { cwd: directory });
  } catch (error) {
    missing(`${name} cannot be installed: ${error}`);
    return undefined;
  }
  return join(directory, 'node_modules', name.replace(/(?<=.)@[^@/]*$/, ''), file);
}
