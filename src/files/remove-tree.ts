// Removes a file or a whole directory, even with read-only directories in it or too deep for a path. It goes from
// directory to directory and follows no link, whatever is swapped meanwhile.
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { errnoOf, isErrno } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';
import {
  lstatSync,
  readdirSync,
  readEntriesSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from './named-fs.ts';
import { holdThroughLinks, type OpenDirectory } from './open-directory.ts';
import { partialName } from './reserved-names.ts';

/** How many directories are open at once; deeper ones are moved up first. */
const maxDepth = 128;
/** Somebody may be writing into it: a process that was just killed, or its child that is about to end. */
const attempts = 100;
/** How long the event loop may be blocked, in ms. */
const turnMs = 5;

/** Removes `path` and everything below it; a missing path is not an error. Throws the system's errors. */
export async function removeTree(path: string): Promise<void> {
  const parent = parentOf(path);
  if (parent === undefined) return;
  try {
    await removeBelow(parent, basename(path));
  } finally {
    parent.close();
  }
}

/** Synchronous {@link removeTree}. */
export function removeTreeSync(path: string): void {
  const parent = parentOf(path);
  if (parent === undefined) return;
  try {
    removeBelowSync(parent, basename(path));
  } finally {
    parent.close();
  }
}

function parentOf(path: string): OpenDirectory | undefined {
  try {
    return holdThroughLinks(dirname(path));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Removes the entry of this name in the directory, and everything below it. */
export const removeBelow = (directory: OpenDirectory, name: string): Promise<void> =>
  inTurns(removal(directory, name));

/** Synchronous {@link removeBelow}. */
export function removeBelowSync(directory: OpenDirectory, name: string): void {
  for (const _ of removal(directory, name));
}

/** Removes everything in the directory, but not the directory. */
export const emptyDirectory = (directory: OpenDirectory): Promise<void> =>
  inTurns(emptying(directory));

async function inTurns(steps: Generator<void, void, void>): Promise<void> {
  let turnEndsAtMs = performance.now() + turnMs;
  for (const _ of steps) {
    if (performance.now() < turnEndsAtMs) continue;
    await setImmediate();
    turnEndsAtMs = performance.now() + turnMs;
  }
}

function* emptying(directory: OpenDirectory): Generator<void, void, void> {
  for (const name of readdirSync(directory.self)) yield* removal(directory, name);
}

function* removal(directory: OpenDirectory, name: string): Generator<void, void, void> {
  const stats = lstatSync(directory.at(name), { throwIfNoEntry: false });
  if (stats === undefined) return;
  for (let left = attempts; left > 0; left--) {
    try {
      return yield* new Removal(directory, name).entry(directory, name, stats.isDirectory(), 0);
    } catch (error) {
      const code = errnoOf(error);
      if (left > 1 && (code === 'ENOTEMPTY' || code === 'EEXIST')) continue;
      // The system's own message names a descriptor.
      const message = `cannot remove ${join(directory.path, name)}: ${errnoText(code ?? '')}`;
      throw code === undefined
        ? error
        : Object.assign(new Error(message, { cause: error }), { code });
    }
  }
}

class Removal {
  readonly #above: OpenDirectory;
  readonly #name: string;
  /** Directories that were too deep, by their new name at the top. */
  readonly #moved: string[] = [];

  constructor(above: OpenDirectory, name: string) {
    this.#above = above;
    this.#name = name;
  }

  *entry(
    parent: OpenDirectory,
    name: string,
    isDirectory: boolean,
    depth: number,
  ): Generator<void, void, void> {
    yield;
    if (!isDirectory) return this.#writable(parent, depth, () => unlinkSync(parent.at(name)));
    let directory: OpenDirectory | undefined;
    try {
      directory = this.#writable(parent, depth, () => parent.child(name));
    } catch (error) {
      if (errnoOf(error) !== 'ENOTDIR') throw error;
      return this.#writable(parent, depth, () => unlinkSync(parent.at(name)));
    }
    if (directory === undefined) return;
    try {
      yield* this.#content(directory, depth + 1);
    } finally {
      directory.close();
    }
    this.#writable(parent, depth, () => rmdirSync(parent.at(name)));
  }

  *#content(directory: OpenDirectory, depth: number): Generator<void, void, void> {
    const read = () => readEntriesSync(directory.self);
    for (const entry of this.#writable(directory, depth, read) ?? []) {
      const isDirectory = entry.isDirectory();
      if (isDirectory && depth > maxDepth) this.#moveUp(directory, entry.name, depth);
      else yield* this.entry(directory, entry.name, isDirectory, depth);
    }
    if (depth > 1) return;
    for (let name = this.#moved.pop(); name !== undefined; name = this.#moved.pop()) {
      yield* this.entry(directory, name, true, 1);
    }
  }

  #moveUp(directory: OpenDirectory, name: string, depth: number): void {
    const moved = partialName();
    const top = this.#above.child(this.#name);
    try {
      this.#writable(directory, depth, () => renameSync(directory.at(name), top.at(moved)));
      this.#moved.push(moved);
    } finally {
      top.close();
    }
  }

  /**
   * Does something in a directory that may lack the permission for it, as in Go's module cache. What is gone is
   * not an error. The mode of the top directory's parent is not changed.
   */
  #writable<T>(directory: OpenDirectory, depth: number, call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      const code = errnoOf(error) ?? '';
      if (code === 'ENOENT') return undefined;
      if (depth === 0 || !['EACCES', 'EPERM'].includes(code)) throw error;
      directory.setMode(0o700);
      return call();
    }
  }
}

const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR');

/** Removes leftovers with this prefix from the directory, except `kept`. */
export function removeLeftovers(directory: OpenDirectory, prefix: string, kept: string): void {
  for (const name of readdirSync(directory.self)) {
    if (name.startsWith(prefix) && name !== kept) removeBelowSync(directory, name);
  }
}
