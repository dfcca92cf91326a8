// What tells this life of a work dir from every other one, also of a buildlet of the same name: clients keep by it what they
// know of the trees here. It is on the disk from the first push on, and gone with whoever empties the work dir.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityName, isIdentity, recordsDirectory } from '../../protocol/push-record.ts';

const fresh = (): string => randomBytes(16).toString('hex');

export class WorkDirIdentity {
  readonly #directory: string;
  #id = fresh();
  #isKept = false;

  constructor(workDir: string) {
    this.#directory = join(workDir, recordsDirectory);
  }

  get id(): string {
    const kept = this.#read();
    if (kept !== undefined) {
      this.#id = kept;
      this.#isKept = true;
    } else if (this.#isKept) {
      this.#id = fresh();
      this.#isKept = false;
    }
    return this.#id;
  }

  /** Writes it down, unless it is. */
  keep(): void {
    const { id } = this;
    if (this.#isKept) return;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.#directory, identityName), id, { mode: 0o600 });
  }

  #read(): string | undefined {
    try {
      const text = readFileSync(join(this.#directory, identityName), 'utf8');
      return isIdentity(text) ? text : undefined;
    } catch {
      return undefined;
    }
  }
}
