// A file that holds all that the last run of a command wrote.
import type { FileHandle } from 'node:fs/promises';
import { localError } from '../../files/local-error.ts';
import { open } from '../../files/named-fs.ts';
import type { OutputTap } from './output-taps.ts';

export class OutputFile implements OutputTap {
  readonly #path: string;
  readonly #handle: FileHandle;
  #sizeBytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<OutputFile> {
    try {
      return new OutputFile(path, await open(path, 'w'));
    } catch (error) {
      throw localError('write', path, error);
    }
  }

  async take(chunk: Buffer): Promise<void> {
    try {
      for (let left = chunk; left.length > 0; ) {
        // After a truncation, the position to write at must be given.
        const { bytesWritten } = await this.#handle.write(left, 0, left.length, this.#sizeBytes);
        this.#sizeBytes += bytesWritten;
        left = left.subarray(bytesWritten);
      }
    } catch (error) {
      throw localError('write', this.#path, error);
    }
  }

  /** Called when another run begins: the output of the last one is dropped. */
  async restart(): Promise<void> {
    if (this.#sizeBytes === 0) return;
    this.#sizeBytes = 0;
    await this.#handle.truncate(0);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
