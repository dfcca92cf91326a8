// The handle of a run: to await it, read its lines, or detach it.
import { Readable } from 'node:stream';
import type { CallOptions } from '../../client/client-options.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { checkSize } from '../arguments.ts';
import { linesOf, type OutputName, Outputs } from './outputs.ts';

/** How a command ended. A failed command is a result, not an error. */
export interface RunResult {
  /** The id for `attach`. */
  readonly id: string;
  /** Whether the exit status is 0. */
  readonly ok: boolean;
  /** The exit status; undefined when a signal ended the command. */
  readonly exitCode: number | undefined;
  /** The signal that ended the command, such as SIGKILL; otherwise undefined. */
  readonly signal: string | undefined;
  /** Standard output as text, up to `maxBuffer` bytes. */
  readonly stdout: string;
  /** Standard error in the same way; empty where the buildlet merges both. */
  readonly stderr: string;
  /** Whether one of the outputs was longer than that. */
  readonly isTruncated: boolean;
}

/** How the command ended, as reported by the buildlet. */
export type CommandEnd = Pick<RunResult, 'exitCode' | 'signal'>;

/** The parts of a run. */
interface RunParts {
  readonly id: string;
  readonly maxBuffer: number | undefined;
  /** Runs the command, or reads an existing run, to its end. */
  readonly work: (outputs: Outputs, signal: AbortSignal) => Promise<CommandEnd>;
  readonly kill: (killSignal: string, options: KillOptions) => Promise<void>;
  readonly resize: (columns: number, rows: number, options: CallOptions) => Promise<void>;
  readonly leave: (options: CallOptions) => Promise<void>;
  /** As if the signal of its options aborted. */
  readonly abort: (reason: GomoteError) => void;
}

/** The options of `kill`. */
export interface KillOptions extends CallOptions {
  /** After how long to send KILL to the remaining processes, in ms. Default: never. */
  killAfterMs?: number | undefined;
}

/** The default limit of each output, in bytes. */
const defaultMaxBuffer = 64 << 20;

/**
 * A running command on a buildlet. Awaiting it returns a {@link RunResult}; iterating it returns the lines of
 * its standard output as they arrive.
 *
 * It fails with ERR_NOT_STARTED, ERR_TIMEOUT, ERR_ABORTED, or, when the outcome of the command is unknown, with ERR_LOST,
 * ERR_CONNECT or ERR_BROKEN.
 *
 * @example
 * await using run = buildlet.run('make', ['fuzz'], { tty: { columns: 80, rows: 24, term: 'xterm' } });
 * await run.resize(120, 40);
 * for await (const line of run.lines('all')) if (line.includes('crash')) await run.kill();
 * const { ok, stdout } = await run;
 *
 * @example
 * const run = buildlet.run('make', ['world']);
 * const log = run.stream('all').pipeThrough(new TextDecoderStream());
 * const id = await run.detach();
 */
export class Run implements Promise<RunResult>, AsyncIterable<string>, AsyncDisposable {
  /** The id for `attach`. */
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
    // A rejected run that nobody awaits must not end the process.
    this.#result.catch(() => undefined);
  }

  /** As for any promise. */
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

  /** Standard output from now on: get it before awaiting anything. A slow reader slows the command. */
  get stdout(): Readable {
    return this.#outputs.read('stdout');
  }

  /** Standard error, in the same way. */
  get stderr(): Readable {
    return this.#outputs.read('stderr');
  }

  /** One of the outputs, or both in order of arrival, as a web stream. */
  stream(from: OutputName = 'stdout'): ReadableStream<Uint8Array> {
    return Readable.toWeb(this.#outputs.read(from)) as ReadableStream<Uint8Array>;
  }

  /** The lines of one of the outputs, or of both in order of arrival. */
  lines(from: OutputName = 'stdout'): AsyncIterableIterator<string> {
    return linesOf(this.#outputs.read(from));
  }

  /** The lines of stdout: `lines()`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this.lines();
  }

  /** Sends a signal, by default SIGTERM, to the process group. It is no error when the command has already ended. */
  async kill(killSignal = 'SIGTERM', options: KillOptions = {}): Promise<void> {
    try {
      await this.#parts.kill(killSignal, options);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_CONFLICT')) throw error;
    }
  }

  /** Resizes the terminal of the command. */
  async resize(columns: number, rows: number, options: CallOptions = {}): Promise<void> {
    checkSize({ columns, rows });
    await this.#parts.resize(columns, rows, options);
  }

  /** Leaves the command running without a reader; awaiting this handle then fails with ERR_ABORTED. Returns the id. */
  async detach(options: CallOptions = {}): Promise<string> {
    await this.#parts.leave(options);
    this.#leaving.abort(new GomoteError('ERR_ABORTED', `run ${this.id} was left running`));
    return this.id;
  }

  /** Ends a command that this handle started, unless it has ended or was detached; of `attach`, ends only the reading. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.abort(new GomoteError('ERR_ABORTED', `the handle of run ${this.id} was disposed`));
    await this.#result.catch(() => undefined);
  }

  /** As for any promise. */
  // biome-ignore lint/suspicious/noThenProperty: a run can be awaited.
  async then<A = RunResult, B = never>(
    onResult?: ((result: RunResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return await this.#result.then(onResult, onError);
  }

  /** As for any promise. */
  async catch<B = never>(
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<RunResult | B> {
    return await this.#result.catch(onError);
  }

  /** As for any promise. */
  async finally(onEnd?: (() => void) | null): Promise<RunResult> {
    return await this.#result.finally(onEnd);
  }
}
