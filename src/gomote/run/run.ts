// A run as a program holds it: to be awaited, read line by line, or left.
import { Readable } from 'node:stream';
import type { CallOptions } from '../../client/client-options.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { linesOf } from './lines.ts';
import { type OutputName, Outputs } from './outputs.ts';

/** How a command ended. One that failed is a result, not an error. */
export interface RunResult {
  /** By which `attach` finds the run. */
  readonly id: string;
  /** Whether it ended with status 0. */
  readonly ok: boolean;
  /** Its exit status; undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** The name of the signal that ended it, such as SIGKILL; else undefined. */
  readonly signal: string | undefined;
  /** What it wrote, as text, up to `maxBuffer` bytes. */
  readonly stdout: string;
  /** The same of its other output; empty where the buildlet merges both. */
  readonly stderr: string;
  /** Whether it wrote more than that to one of them. */
  readonly isTruncated: boolean;
}

/** How the command ended, as far as the buildlet tells. */
export type CommandEnd = Pick<RunResult, 'exitCode' | 'signal'>;

/** What a run is made of. */
interface RunParts {
  readonly id: string;
  readonly maxBuffer: number | undefined;
  /** Runs it to its end, or reads it to there. */
  readonly work: (outputs: Outputs, signal: AbortSignal) => Promise<CommandEnd>;
  readonly kill: (killSignal: string, options: KillOptions) => Promise<void>;
  readonly resize: (columns: number, rows: number) => Promise<void>;
  readonly leave: (options: CallOptions) => Promise<void>;
}

/** What `kill` takes. */
export interface KillOptions extends CallOptions {
  /** When to send KILL to what is left of it, in ms. Default: never. */
  killAfterMs?: number | undefined;
}

/** How much of each output is kept, in bytes, unless the caller says so. */
const defaultMaxBuffer = 64 << 20;

/**
 * A command on a buildlet, which runs already. Awaited, it gives a {@link RunResult} once it has ended; iterated, the lines of
 * its standard output as they come.
 *
 * It fails with ERR_NOT_STARTED, ERR_TIMEOUT, ERR_ABORTED, or, when it is not known how the command ended, with ERR_LOST,
 * ERR_CONNECT or ERR_BROKEN.
 */
export class Run implements Promise<RunResult>, AsyncIterable<string> {
  /** By which `attach` finds it. */
  readonly id: string;
  readonly #parts: RunParts;
  readonly #outputs: Outputs;
  readonly #leaving = new AbortController();
  readonly #result: Promise<RunResult>;

  /** @internal */
  constructor(parts: RunParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#outputs = new Outputs(parts.maxBuffer ?? defaultMaxBuffer);
    this.#result = this.#run();
    // A run whose handle nobody looks at must not end the process.
    this.#result.catch(() => undefined);
  }

  /** As of any promise. */
  get [Symbol.toStringTag](): string {
    return 'Run';
  }

  async #run(): Promise<RunResult> {
    const outputs = this.#outputs;
    try {
      const { exitCode, signal } = await this.#parts.work(outputs, this.#leaving.signal);
      outputs.end();
      return {
        id: this.id,
        ok: exitCode === 0,
        exitCode,
        signal,
        stdout: outputs.text('stdout'),
        stderr: outputs.text('stderr'),
        isTruncated: outputs.isTruncated,
      };
    } catch (error) {
      outputs.end(error as Error);
      throw error;
    }
  }

  /** Its standard output from now on: take it before anything is awaited. A slow reader slows the command. */
  get stdout(): Readable {
    return this.#outputs.read('stdout');
  }

  /** Its standard error, in the same way. */
  get stderr(): Readable {
    return this.#outputs.read('stderr');
  }

  /** One of its outputs, or both as they come, as a stream of the Web. */
  stream(from: OutputName = 'stdout'): ReadableStream<Uint8Array> {
    return Readable.toWeb(this.#outputs.read(from)) as ReadableStream<Uint8Array>;
  }

  /** The lines of one of its outputs, or of both as they come. */
  lines(from: OutputName = 'stdout'): AsyncIterableIterator<string> {
    return linesOf(this.#outputs.read(from));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this.lines();
  }

  /** Sends a signal, by default SIGTERM, to its process group. One that has ended already is no error. */
  async kill(killSignal = 'SIGTERM', options: KillOptions = {}): Promise<void> {
    try {
      await this.#parts.kill(killSignal, options);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_CONFLICT')) throw error;
    }
  }

  /** Tells the size of the terminal on which it runs. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#parts.resize(columns, rows);
  }

  /** Leaves it running, however long nobody reads it; awaited, this handle then fails with ERR_ABORTED. Gives its id. */
  async detach(options: CallOptions = {}): Promise<string> {
    await this.#parts.leave(options);
    this.#leaving.abort(new GomoteError('ERR_ABORTED', `run ${this.id} was left running`));
    return this.id;
  }

  /** As of any promise. */
  // biome-ignore lint/suspicious/noThenProperty: a run can be awaited.
  async then<A = RunResult, B = never>(
    onResult?: ((result: RunResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return await this.#result.then(onResult, onError);
  }

  /** As of any promise. */
  async catch<B = never>(
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<RunResult | B> {
    return await this.#result.catch(onError);
  }

  /** As of any promise. */
  async finally(onEnd?: (() => void) | null): Promise<RunResult> {
    return await this.#result.finally(onEnd);
  }
}
