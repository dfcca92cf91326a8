// Names that buildlets had before, so that an old name, for example in a script, never
// leads to somebody else's buildlet.
import { closeSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { makePrivateDirectory } from './private-directory.ts';

/** How long a name other than the last of its kind is remembered, in ms. */
const rememberedMs = 24 * 3_600_000;

/**
 * Generates names `<stem>-<n>` with increasing numbers. Each is an empty file in a directory: of many processes
 * that create it at once, one succeeds.
 */
export class UsedNames {
  readonly #directory: string;

  /** @param directory Created with mode 0700 for the first name. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The number of the next name, unless another process takes it. */
  next(stem: string): number {
    return this.#last(this.#used(stem)) + 1;
  }

  /** Takes the name, whatever its number. Returns false when it was used before. */
  takeThis(name: string): boolean {
    this.#open();
    return this.#mark(name);
  }

  /** The next free name with at least that number. */
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

/** The next free name that is not known to have been used. */
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
