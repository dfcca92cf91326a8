// Real directories for the archive tests: made, compared, removed.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ifThere } from '../../src/files/if-there.ts';

/** A new directory that goes when the test does. */
export function temporaryDirectory(): string {
  const path = makeDirectory();
  onTestFinished(() => removeDirectory(path));
  return path;
}

export const makeDirectory = (): string => realpathSync(mkdtempSync(join(tmpdir(), 'archive-')));

export function removeDirectory(path: string): void {
  try {
    rmSync(path, { recursive: true });
  } catch {
    // An ordinary user's read-only directories, and a very deep tree, which overflows the stack of Node's removal.
    execFileSync('chmod', ['-R', 'u+rwx', path]);
    execFileSync('rm', ['-r', path]);
  }
}

/** A signal, and how many listeners it has. */
export function countedSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    count++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    count--;
    removeEventListener.apply(signal, args);
  };
  return { signal, listeners: () => count };
}

export type Node =
  | { type: 'file'; content: string | Uint8Array; mode: number }
  | { type: 'directory'; children: Tree; mode: number }
  | { type: 'symlink'; target: string };
export type Tree = readonly (readonly [name: string, node: Node])[];

export const file = (content: string | Uint8Array = '', mode = 0o644): Node => ({
  type: 'file',
  content,
  mode,
});
export const directory = (children: Tree = [], mode = 0o755): Node => ({
  type: 'directory',
  children,
  mode,
});
export const symlink = (target: string): Node => ({ type: 'symlink', target });

export function plant(root: string, tree: Tree): void {
  for (const [name, node] of tree) {
    const path = join(root, name);
    if (node.type === 'symlink') symlinkSync(node.target, path);
    else if (node.type === 'file') {
      writeFileSync(path, node.content);
      chmodSync(path, node.mode);
    } else {
      mkdirSync(path);
      plant(path, node.children);
      chmodSync(path, node.mode);
    }
  }
}

/** One line for everything below `root`: type and mode, seconds, content. Root's own mode and time are left out. */
export function snapshot(root: string, prefix = ''): string[] {
  const lines: string[] = [];
  for (const name of readdirSync(root).sort()) {
    const path = join(root, name);
    const stats = lstatSync(path);
    const seconds = Math.floor(stats.mtimeMs / 1000);
    const what = stats.isSymbolicLink()
      ? `-> ${readlinkSync(path)}`
      : `${seconds} ${stats.isFile() ? readFileSync(path).toString('base64') : ''}`;
    lines.push(`${JSON.stringify(prefix + name)} ${stats.mode.toString(8)} ${what}`);
    if (stats.isDirectory()) lines.push(...snapshot(path, `${prefix}${name}/`));
  }
  return lines;
}

/** Names below `root`, which may be changed meanwhile. Links are not followed, as Node's own recursive listing would. */
export const names = (root: string): string[] =>
  (ifThere(() => readdirSync(root, { withFileTypes: true })) ?? [])
    .flatMap((entry) => [
      entry.name,
      ...(entry.isDirectory()
        ? names(join(root, entry.name)).map((name) => `${entry.name}/${name}`)
        : []),
    ])
    .sort();

/** Files that an extraction has left under a temporary name. */
export const leftovers = (root: string): string[] =>
  names(root).filter((name) => name.includes('.gomote-'));
