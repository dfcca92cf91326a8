// Directories that no other user of this machine can change or replace, checked at every use.
//
// The calls are synchronous: every command makes them first, and Node's promises for files take longer to load.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { dirname, isAbsolute, join, sep } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { maxLinks } from './file-name.ts';
import { reasonOf } from './local-error.ts';

interface DirectoryRule {
  /** The name of the directory in messages: `state directory`. */
  readonly what: string;
  /**
   * `private`: it belongs to this user and is closed to others. `readable`: it belongs to this user or root, and others
   * may read it. Those above it are always of the second kind.
   */
  readonly access: 'private' | 'readable';
  /** Whether to create missing directories, with mode 0700. Default: no. */
  readonly make?: boolean | undefined;
  /** Where a symbolic link of this user or of root is allowed: on the way, also as the last element, or nowhere. */
  readonly links?: 'above' | 'anywhere' | 'none' | undefined;
  /** How to use another directory, for messages: `set XDG_STATE_HOME`. */
  readonly cure?: string | undefined;
}

const rootUid = 0;
const stickyBit = 0o1000;

/** Creates a private directory with its parents, or checks an existing one. Throws ERR_CONFIG. */
export function makePrivateDirectory(path: string, what: string, cure?: string): void {
  checkDirectory(path, { what, cure, access: 'private', make: true });
}

/** Checks a private directory before it is used. Returns false when it does not exist. Throws ERR_CONFIG. */
export function hasPrivateDirectory(path: string, what: string, cure?: string): boolean {
  return checkDirectory(path, { what, cure, access: 'private' });
}

/** Whether the directory exists. Throws ERR_CONFIG when another user could change or replace it. */
export function checkDirectory(path: string, rule: DirectoryRule): boolean {
  const uid = process.getuid?.();
  const check = new Check(path, rule, uid ?? rootUid);
  if (!isAbsolute(path)) throw check.refusal('', 'is not an absolute path');
  try {
    return uid === undefined ? checkUnowned(path, rule) : check.walk();
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    const { path: at } = error as NodeJS.ErrnoException;
    throw check.refusal(at ?? path, `cannot be used: ${reasonOf(error)}`, undefined, error);
  }
}

/** Where Node cannot tell a file's owner, nothing more can be checked. */
function checkUnowned(path: string, { make = false }: DirectoryRule): boolean {
  if (make) mkdirSync(path, { recursive: true });
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

class Check {
  readonly #path: string;
  readonly #rule: DirectoryRule;
  readonly #uid: number;

  constructor(path: string, rule: DirectoryRule, uid: number) {
    this.#path = path;
    this.#rule = rule;
    this.#uid = uid;
  }

  /** Goes from the root to the directory as the kernel does: once an element is safe, nobody can replace the next. */
  walk(): boolean {
    let position: string = sep;
    let linkCount = 0;
    const pending = [...this.#path.split(sep).reverse(), sep];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '' || name === '.') continue;
      const isLast = pending.every((rest) => rest === '' || rest === '.');
      const next = name === '..' ? dirname(position) : join(position, name);
      const found = this.#find(next);
      if (found === undefined) return false;
      this.#checkOwner(next, found, isLast);
      if (!found.isSymbolicLink()) {
        this.#checkMode(next, found, isLast);
        position = next;
        continue;
      }
      linkCount++;
      if (!this.#mayFollow(isLast) || linkCount > maxLinks) {
        throw this.refusal(next, 'is a symbolic link', 'remove it');
      }
      const target = readlinkSync(next);
      if (isAbsolute(target)) position = sep;
      pending.push(...target.split(sep).reverse());
    }
    this.#checkOpened(position);
    return true;
  }

  /** Looks up the path, and creates it if it is missing and allowed. */
  #find(path: string): Stats | undefined {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined || this.#rule.make !== true) return found;
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    return lstatSync(path);
  }

  #mayFollow(isLast: boolean): boolean {
    const { links = 'above' } = this.#rule;
    return links === 'anywhere' || (links === 'above' && !isLast);
  }

  #checkOwner(path: string, { uid }: Stats, isLast: boolean): void {
    if (uid === this.#uid || (uid === rootUid && !(isLast && this.#rule.access === 'private'))) {
      return;
    }
    throw this.refusal(path, `belongs to another user (uid ${uid})`);
  }

  #checkMode(path: string, found: Stats, isLast: boolean): void {
    if (!found.isDirectory()) throw this.refusal(path, 'is not a directory', 'remove it');
    // In a directory such as /tmp, the sticky bit keeps an entry in place for its owner, who is checked next.
    const mayBeShared = !isLast && (found.mode & stickyBit) !== 0;
    if ((found.mode & 0o022) !== 0 && !mayBeShared) {
      throw this.refusal(path, 'can be changed by others', `chmod go-w ${path}`);
    }
    if (isLast && this.#rule.access === 'private' && (found.mode & 0o077) !== 0) {
      throw this.refusal(path, 'is open to others', `chmod 700 ${path}`);
    }
  }

  /** Checks again what was opened under the name. */
  #checkOpened(path: string): void {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const found = fstatSync(fd);
      this.#checkOwner(path, found, true);
      this.#checkMode(path, found, true);
    } finally {
      closeSync(fd);
    }
  }

  refusal(at: string, reason: string, mend?: string, cause?: unknown): GomoteError {
    const { what, cure = 'use another directory' } = this.#rule;
    const where = at === '' || at === this.#path ? '' : `: ${at}`;
    const message = `${what} ${this.#path || '""'}${where} ${reason}`;
    const hint = mend === undefined ? cure : `${mend}, or ${cure}`;
    return new GomoteError('ERR_CONFIG', message, { hint, cause });
  }
}
