// Work on several buildlets at once: separate output for each, signals to all, and one exit status.
import { GomoteError, messageOf } from '../../errors.ts';
import type { Context } from '../context.ts';
import { exitCodes, signalCode } from '../exit-codes.ts';
import { exitCodeOf, reportJson } from '../failure.ts';
import { SharedEnding } from '../shared-ending.ts';
import { print, type Terminal } from '../terminal/terminal.ts';
import { LineOutputs } from './line-prefix.ts';
import type { OutputOptions, Outputs } from './outputs.ts';
import { sharedInput } from './shared-input.ts';
import { SharedSignals } from './shared-signals.ts';

export interface FanOutOptions extends OutputOptions {
  /** Ends all others, as SIGTERM would, as soon as one has failed. */
  readonly failFast?: boolean | undefined;
}

/** The work for one buildlet. Its status is the exit code that it leaves in `context`, or that of its failure. */
type Work = (name: string, context: Context) => Promise<void>;

interface Outcome {
  readonly name: string;
  readonly status: number;
  /** Whether it was ended or skipped because another one had failed. */
  readonly isStopped: boolean;
}

const limit = 64;

/**
 * Does the work for each of the names, at once. A failure of one never ends the others, unless `failFast` says so. The
 * result is the status that all have in common, 125 when the outcome of one is unknown, else 1.
 */
export async function fanOut(
  names: readonly string[],
  work: Work,
  options: FanOutOptions,
  context: Context,
): Promise<number> {
  const outputs = await openOutputs(options, context.terminal);
  return await new FanOut(names, work, options, context, outputs).result();
}

async function openOutputs(options: OutputOptions, terminal: Terminal): Promise<Outputs> {
  if (options.outputDir === undefined && options.collapse !== true) {
    return new LineOutputs(terminal);
  }
  const { FileOutputs } = await import('./file-outputs.ts');
  return new FileOutputs(options, terminal);
}

class FanOut {
  readonly #names: readonly string[];
  readonly #work: Work;
  readonly #options: FanOutOptions;
  readonly #context: Context;
  readonly #outputs: Outputs;
  readonly #signals: SharedSignals;
  readonly #input: ReturnType<typeof sharedInput>;
  readonly #outcomes: Outcome[] = [];
  readonly #ending = new SharedEnding();
  #failed: string | undefined;
  #next = 0;

  constructor(
    names: readonly string[],
    work: Work,
    options: FanOutOptions,
    context: Context,
    outputs: Outputs,
  ) {
    this.#names = names;
    this.#work = work;
    this.#options = options;
    this.#context = context;
    this.#outputs = outputs;
    this.#signals = new SharedSignals(context.interrupts);
    this.#input = sharedInput(context.terminal, names.length);
  }

  async result(): Promise<number> {
    const { input = 'data' } = this.#context.terminal;
    // Parts that wait for their turn would block the input of the others.
    const width = input === 'data' ? this.#names.length : Math.min(limit, this.#names.length);
    try {
      await Promise.all(Array.from({ length: width }, () => this.#takeTurns()));
    } finally {
      this.#signals.release();
      await this.#outputs.close(this.#names);
    }
    const endingStatus = await this.#endingStatus();
    const status = this.#status() || endingStatus;
    this.#tellFailures(status);
    return status;
  }

  async #endingStatus(): Promise<number> {
    try {
      return await this.#ending.finish(this.#context.messages);
    } catch (error) {
      this.#context.messages.remark(messageOf(error));
      return this.#context.isRun ? exitCodes.unknown : exitCodes.failed;
    }
  }

  async #takeTurns(): Promise<void> {
    while (this.#next < this.#names.length) {
      const index = this.#next++;
      const name = this.#names[index] ?? '';
      if (this.#failed === undefined && this.#signals.received === undefined) {
        await this.#one(name, index);
      } else {
        this.#input.release(index);
        this.#outcomes.push({ name, status: exitCodes.failed, isStopped: true });
      }
    }
  }

  async #one(name: string, index: number): Promise<void> {
    const output = this.#outputs.of(name);
    // A failure to write is seen by who writes.
    for (const stream of [output.stdout, output.stderr]) stream.on('error', () => undefined);
    const { interrupts, end } = this.#signals.part();
    const terminal = this.#terminalOf(index, output);
    const one = this.#context.forOne(name, terminal, interrupts);
    one.sharedEnding = this.#ending;
    let status: number;
    try {
      await this.#work(name, one);
      await print(terminal, '');
      status = one.exitCode;
    } catch (error) {
      status = await exitCodeOf(error, one);
      if (this.#outputs.areHidden) this.#context.messages.remark(`${name}: ${messageOf(error)}`);
    } finally {
      end();
      this.#input.release(index);
    }
    status = await this.#outputs.end(name, output, status);
    const isStopped = this.#failed !== undefined;
    this.#outcomes.push({ name, status, isStopped: isStopped && status !== 0 });
    if (status === 0 || isStopped || !this.#options.failFast) return;
    this.#failed = name;
    this.#signals.stop('SIGTERM');
  }

  #terminalOf(index: number, { stdout, stderr }: Pick<Terminal, 'stdout' | 'stderr'>): Terminal {
    const { environment, input = 'data', isOutputShared } = this.#context.terminal;
    const shared = this.#input;
    const isMerged = isOutputShared === true && !this.#outputs.areApart;
    return {
      get stdin() {
        return shared.part(index);
      },
      ...{ stdout, stderr, environment, isOutputShared: isMerged },
      // Typed input cannot be meant for all of them.
      input: input === 'terminal' ? 'nothing' : input,
    };
  }

  #tellFailures(status: number): void {
    const place = ({ name }: Outcome) => this.#names.indexOf(name);
    const outcomes = this.#outcomes.toSorted((a, b) => place(a) - place(b));
    // The reader has closed our output.
    const isTold = ({ status }: Outcome) => status !== 0 && status !== exitCodes.brokenPipe;
    const failed = outcomes.filter((one) => isTold(one) && !one.isStopped);
    const stopped = outcomes.filter(({ isStopped }) => isStopped);
    const list = (some: readonly Outcome[]) =>
      some.map(({ name, status }) => `${name} (${status})`).join(', ');
    const lines: string[] = [];
    if (failed.length > 0)
      lines.push(`failed on ${failed.length} of ${this.#names.length}: ${list(failed)}`);
    if (stopped.length > 0)
      lines.push(`ended before they were done: ${stopped.map(({ name }) => name).join(', ')}`);
    if (!this.#context.isJson) for (const line of lines) this.#context.messages.remark(line);
    else if (lines.length > 0)
      reportJson(new GomoteError('ERR_STATUS', lines.join('; ')), status, this.#context);
  }

  #status(): number {
    const { received } = this.#signals;
    const ended = received === undefined ? undefined : signalCode(received);
    if (this.#outcomes.some(({ status }) => status === ended)) return ended ?? exitCodes.failed;
    const own = this.#outcomes.filter(({ isStopped }) => !isStopped);
    return commonStatus(own.map(({ status }) => status));
  }
}

/** The common one; 125 when the outcome of one is unknown; else 1. */
function commonStatus(statuses: readonly number[]): number {
  const different = new Set(statuses);
  const [first = 0] = different;
  if (different.size <= 1) return first;
  return different.has(exitCodes.unknown) ? exitCodes.unknown : exitCodes.failed;
}
