// The identity of a work directory: unique, even among buildlets of the same name. Clients
// store what they know of the trees here under it. It is written by the first push, and removed when the work directory is emptied.
import { randomBytes } from 'node:crypto';
import type { OpenDirectory } from '../../files/open-directory.ts';
import { identityName, isIdentity } from '../../protocol/push-record.ts';
import { inRecords, readRecord, writeRecord } from './record-file.ts';

const fresh = (): string => randomBytes(16).toString('hex');

export class WorkDirIdentity {
  readonly #workDir: string;
  #id = fresh();
  #isKept = false;

  constructor(workDir: string) {
    this.#workDir = workDir;
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

  keep(): void {
    const { id } = this;
    if (this.#isKept) return;
    const write = (records: OpenDirectory) => writeRecord(records.at(identityName), id, 'w');
    inRecords(this.#workDir, write, { isMade: true });
  }

  #read(): string | undefined {
    try {
      const text = inRecords(this.#workDir, (records) => readRecord(records.at(identityName)));
      return text !== undefined && isIdentity(text) ? text : undefined;
    } catch {
      return undefined;
    }
  }
}
