// Names of buildlets that were given before, so that what is left of one, such as a name in a file of a script, never
// leads to the buildlet of somebody else.
import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { makePrivateDirectory } from './private-directory.ts';

/** How long a name that is not the last of its kind is remembered, in ms. */
const rememberedMs = 24 * 3_600_000;

/**
 * Gives names `<stem>-<n>` with a number that never goes back. Each is an empty file in a directory: of many processes
 * that make it at once, one succeeds.
 */
export class UsedNames {
  readonly #directory: string;

  /** @param directory Is made, for this user alone, when the first name is given. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The number that the next name has, unless another takes it meanwhile. */
  next(stem: string): number {
    return this.#last(this.#used(stem)) + 1;
  }

  /** Takes the name, of whatever number; false when it was given before. */
  takeThis(name: string): boolean {
    this.#open();
    return this.#mark(name);
  }

  /** The next name that is not taken, of at least that number. */
  take(stem: string, isTaken: (name: string) => boolean = () => false, least = 0): string {
    const used = this.#used(stem);
    const last = this.#last(used);
    for (const n of used) {
      if (n !== last) this.#forgetOld(`${stem}-${n}`);
    }
    for (let n = Math.max(last + 1, least); ; n++) {
      const name = `${stem}-${n}`;
      if (!isTaken(name) && this.#mark(name)) return name;
    }
  }

  #open(): void {
    makePrivateDirectory(this.#directory, 'the directory of used names');
  }

  #used(stem: string): number[] {
    this.#open();
    return readdirSync(this.#directory).flatMap((name) => numberOf(stem, name));
  }

  #last(used: readonly number[]): number {
    return used.reduce((most, n) => Math.max(most, n), -1);
  }

  #mark(name: string): boolean {
    try {
      closeSync(openSync(join(this.#directory, name), 'wx', 0o600));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false;
      throw error;
    }
  }

  #forgetOld(name: string): void {
    const path = join(this.#directory, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && Date.now() - found.mtimeMs > rememberedMs)
      rmSync(path, { force: true });
  }
}

function numberOf(stem: string, name: string): number[] {
  const [, number] = name.startsWith(`${stem}-`)
    ? (/^-([0-9]{1,15})$/.exec(name.slice(stem.length)) ?? [])
    : [];
  return number === undefined ? [] : [Number(number)];
}

/** The next name that was not given before, as far as that is known, and is not taken. */
export function nextName(
  stem: string,
  used: UsedNames | undefined,
  isTaken: (name: string) => boolean,
): string {
  if (used !== undefined) return used.take(stem, isTaken);
  for (let n = 0; ; n++) {
    const name = `${stem}-${n}`;
    if (!isTaken(name)) return name;
  }
}
