// The output of several buildlets in files: those that were asked for, or temporary ones until equal outputs are printed once.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { copyOutput } from '../../client/runs/copy-output.ts';
import { type GomoteError, messageOf } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { temporaryDirectory } from '../../files/user-directories.ts';
import { printable } from '../../printable.ts';
import { exitCodes } from '../exit-codes.ts';
import { fileOfName } from '../file-of-name.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { endStream, type Output, type OutputOptions, type Outputs } from './outputs.ts';

interface Kept {
  readonly names: string[];
  readonly stdout: KeptStream;
  readonly stderr: KeptStream;
}

export class FileOutputs implements Outputs {
  readonly #directory: string;
  readonly #options: OutputOptions;
  readonly #terminal: Terminal;
  readonly #kept = new Map<string, Kept>();
  readonly areApart = true;
  readonly areHidden: boolean;

  /** Throws ERR_LOCAL_FILE when the directory cannot be made. */
  constructor(options: OutputOptions, terminal: Terminal) {
    const { outputDir, collapse } = options;
    this.#options = options;
    this.#terminal = terminal;
    this.areHidden = collapse !== true;
    try {
      if (outputDir !== undefined) makeDirectories(outputDir);
      const temporary = () => join(temporaryDirectory(terminal.environment), 'gomote-output-');
      this.#directory = outputDir ?? mkdtempSync(temporary());
    } catch (error) {
      throw outputFailure(outputDir ?? 'temporary files', error);
    }
  }

  of(name: string): Output {
    const path = join(this.#directory, fileOfName(name));
    return { stdout: new KeptStream(`${path}.stdout`), stderr: new KeptStream(`${path}.stderr`) };
  }

  async end(name: string, { stdout, stderr }: Output, status: number): Promise<number> {
    await Promise.all([endStream(stdout), endStream(stderr)]);
    if (!(stdout instanceof KeptStream && stderr instanceof KeptStream)) return status;
    const failure = stdout.errored ?? stderr.errored;
    if (failure) this.#terminal.stderr.write(`gomote: ${printable(messageOf(failure))}\n`);
    if (this.#options.collapse) {
      const key = `${stdout.digest()} ${stderr.digest()} ${status}`;
      const equal = this.#kept.get(key);
      if (equal === undefined) this.#kept.set(key, { names: [name], stdout, stderr });
      else equal.names.push(name);
    }
    return failure && status === 0 ? exitCodes.failed : status;
  }

  async close(order: readonly string[]): Promise<void> {
    try {
      const place = (name: string) => order.indexOf(name);
      for (const { names } of this.#kept.values()) names.sort((a, b) => place(a) - place(b));
      const kept = [...this.#kept.values()].sort(
        (a, b) => place(a.names[0] ?? '') - place(b.names[0] ?? ''),
      );
      for (const one of kept) await this.#print(one);
    } finally {
      if (this.#options.outputDir === undefined)
        rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  async #print({ names, stdout, stderr }: Kept): Promise<void> {
    const title = Buffer.from(`# ${printable(names.join(', '), { maxLength: 100_000 })}\n`);
    const terminal = this.#terminal;
    if (stdout.size > 0 || stderr.size === 0) await stdout.copyTo(terminal.stdout, title);
    if (stderr.size > 0) await stderr.copyTo(terminal.stderr, title);
  }
}

class KeptStream extends Writable {
  readonly #path: string;
  readonly #file: Writable;
  readonly #hash = createHash('sha256');
  #last = 0x0a;
  size = 0;

  constructor(path: string) {
    super();
    this.#path = path;
    this.#file = createWriteStream(path);
    this.#file.on('error', (error) => this.destroy(outputFailure(path, error)));
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    this.#last = chunk.at(-1) ?? this.#last;
    this.#file.write(chunk, (error) => done(error && outputFailure(this.#path, error)));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#file.end(() => done());
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Writes the content below the title, and ends its last line. */
  async copyTo(to: Writable, title: Buffer): Promise<void> {
    to.write(title);
    await copyOutput(createReadStream(this.#path), to);
    to.write(this.#last === 0x0a ? '\n' : '\n\n');
  }
}

const outputFailure = (path: string, error: unknown): GomoteError =>
  localError('write', path, error, 'give another directory');
