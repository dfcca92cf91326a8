// One machine of `gomote once`, from its push to its end.
import { join } from 'node:path';
import { GomoteError, isGomoteError, messageAndHint, messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { loginShell } from '../../gomote/run/login-shell.ts';
import { notePushed } from '../../gomote/run/pushed-directory.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { exitCodes, runFailureCode, signalCode } from '../exit-codes.ts';
import { shellOptions } from '../run/on-failure.ts';
import { runCommand, runOn } from '../run/run-command.ts';
import type { RunOptions } from '../run/run-options.ts';
import { type RunRecord, reportOf, reportOfFailure } from '../run/run-report.ts';
import { shellLine } from '../run/shell-words.ts';
import { MissingFiles } from '../transfer/missing-files.ts';
import type { Machine } from './machines.ts';
import { Phases } from './phases.ts';
import type { OnceSpec } from './spec.ts';

export class Part {
  readonly #machine: Machine;
  readonly #spec: OnceSpec;
  readonly #context: Context;
  readonly #phases: Phases;
  readonly #record: RunRecord = { startedAtMs: Date.now(), id: null };
  #hasRun = false;
  /** As the command was run with. */
  #options: RunOptions = {};
  #files: readonly string[] = [];
  #isKept = false;
  #buildlet: Buildlet | undefined;
  #failure: unknown;
  #code: number = exitCodes.unknown;

  constructor(machine: Machine, spec: OnceSpec, context: Context) {
    this.#machine = machine;
    this.#spec = spec;
    this.#context = context;
    this.#phases = new Phases((line) =>
      context.messages.detail(`gomote: ${machine.name}: ${line}`),
    );
    if (spec.on === undefined) {
      this.#phases.add({ phase: 'create', durationMs: machine.createMs, ok: true });
    }
  }

  /** Runs the phases and returns the exit status. Throws gomote's own failures, after the machine has been destroyed. */
  async run(): Promise<number> {
    try {
      this.#code = await this.#context.withBuildlet(this.#machine.name, (one) => this.#work(one));
    } catch (error) {
      this.#failure = error;
      const { received } = this.#context.interrupts;
      this.#code = received === undefined ? codeOf(error) : signalCode(received);
    }
    const left = await this.#end();
    if (left !== undefined && this.#code === 0) this.#failure = left;
    else if (left !== undefined) this.#complain(left);
    if (this.#failure instanceof MissingFiles) {
      this.#complain(this.#failure);
      return this.#code;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#code;
  }

  async #work(buildlet: Buildlet): Promise<number> {
    this.#buildlet = buildlet;
    const { tree, setup } = this.#spec;
    const failures: unknown[] = [];
    if (tree !== undefined) {
      const { pushTree } = await import('./push-tree.ts');
      const unsent = await this.#phases.during('push', () =>
        pushTree(buildlet, tree, this.#spec.on !== undefined, this.#context),
      );
      if (unsent !== undefined) failures.push(unsent);
    }
    if (setup !== undefined) {
      const { setUp } = await import('../../gomote/setup.ts');
      const { terminal, signal } = this.#context;
      const options = { output: terminal.stderr, signal, hint: 'the command was not run' };
      await this.#phases.during('setup', () => setUp(buildlet, setup, options));
    }
    const { code, failure } = await this.#run(buildlet);
    // After a signal to end, do not start to fetch files or print more.
    if (!this.#isEnding) {
      const missed = await this.#fetch(buildlet);
      if (missed !== undefined) failures.push(missed);
      if (code !== 0 && this.#spec.shellOnFailure) await this.#shell();
    }
    // The exit status tells the outcome of the command; other failures show in it only when the command succeeded.
    const first = failure ?? (code === 0 ? failures.shift() : undefined);
    for (const other of failures) this.#complain(other);
    if (first !== undefined) throw first;
    return code;
  }

  get #isEnding(): boolean {
    const { received } = this.#record;
    return this.#context.signal.aborted || received === 'SIGTERM' || received === 'SIGHUP';
  }

  /** Runs the command. Files are fetched even when it did not run to its end. */
  async #run(buildlet: Buildlet): Promise<{ code: number; failure?: unknown }> {
    const spec = this.#spec;
    const dir = this.#dir;
    const { index } = this.#machine;
    const env = spec.areShards
      ? [`GOMOTE_SHARD_INDEX=${index}`, `GOMOTE_SHARD_TOTAL=${spec.count}`]
      : [];
    const filled = (word: string) =>
      spec.areShards
        ? word.replaceAll('{index}', String(index)).replaceAll('{total}', String(spec.count))
        : word;
    const { cmd, args } = spec.command;
    const options: RunOptions = { ...spec.run, env: [...env, ...(spec.run.env ?? [])] };
    this.#options = options;
    const command = { name: this.#machine.name, cmd, args: args.map(filled) };
    const endsBuildlet = spec.on === undefined && spec.keep !== 'always';
    try {
      this.#hasRun = true;
      const code = await this.#phases.during('run', () =>
        runOn({
          ...{ buildlet, command, dir, options, endsBuildlet },
          ...{ context: this.#context, record: this.#record },
        }),
      );
      return { code };
    } catch (failure) {
      if (this.#context.signal.aborted || isLocal(failure)) throw failure;
      return { code: codeOf(failure), failure };
    }
  }

  /** The directory that the command runs in and that fetched paths are relative to. */
  get #dir(): string {
    return this.#spec.run.dir ?? this.#spec.tree?.dir ?? '';
  }

  async #fetch(buildlet: Buildlet): Promise<unknown> {
    const { get, require, into, tree } = this.#spec;
    if (get.length + require.length === 0) return undefined;
    const { fetchMatching } = await import('../transfer/fetch-matching.ts');
    const { ownName } = this.#context;
    const wanted = {
      ...{ get, require },
      dir: tree?.dir ?? (this.#dir || '.'),
      into: ownName === undefined ? into : join(into, ownName),
    };
    try {
      this.#files = await this.#phases.during('get', () =>
        fetchMatching(buildlet, wanted, this.#context),
      );
      return undefined;
    } catch (error) {
      this.#context.signal.throwIfAborted();
      return error;
    }
  }

  /** Opens a shell where the command has failed, and waits until its user leaves it. */
  async #shell(): Promise<void> {
    const { name } = this.#machine;
    if (this.#context.terminal.input !== 'terminal') {
      return this.#context.messages.remark('there is no terminal here to open a shell on');
    }
    this.#context.messages.remark(
      `the command failed; a shell on ${name}, which stays when you leave it`,
    );
    const options = { ...shellOptions(this.#options), dir: this.#dir };
    const open = () => runCommand(() => ({ name, ...loginShell('') }), options, this.#context);
    await this.#phases
      .during('shell', open)
      .catch((error) => this.#context.messages.remark(messageOf(error)));
  }

  /** Destroys the machine, or keeps it and says how to continue. Returns why that failed, if it did. */
  async #end(): Promise<unknown> {
    const { on, keep } = this.#spec;
    if (on !== undefined) return undefined;
    const isInterrupted = this.#record.received !== undefined || this.#context.signal.aborted;
    const keeps = keep === 'always' || (keep === 'failure' && this.#code !== 0 && !isInterrupted);
    const { name } = this.#machine;
    try {
      if (keeps) {
        await this.#phases.during('keep', () => this.#machine.release());
        this.#isKept = true;
        this.#noteKept();
        this.#tellKept();
      } else await this.#phases.during('destroy', () => this.#machine.destroy());
      return undefined;
    } catch (error) {
      const code = isGomoteError(error) ? error.code : 'ERR_STATUS';
      const what = keeps ? 'may not be kept' : 'was not destroyed';
      return new GomoteError(code, `${name} ${what}: ${messageOf(error)}`, {
        hint: `run gomote destroy ${shellLine([name])}`,
        cause: error,
      });
    }
  }

  /** Later commands run where the tree is, too. */
  #noteKept(): void {
    const { tree } = this.#spec;
    if (tree === undefined || this.#buildlet === undefined) return;
    notePushed(this.#buildlet.client, tree, this.#context.terminal.environment);
  }

  /** Printed even with --quiet: the name is known nowhere else. */
  #tellKept(): void {
    const name = shellLine([this.#machine.name]);
    const { cmd, args } = this.#spec.command;
    const again = shellLine(['gomote', 'run', this.#machine.name, cmd, ...args]);
    const lines = [
      `gomote: kept ${name}`,
      `  again:  ${again}`,
      `  look:   gomote shell ${name}`,
      `  end it: gomote destroy ${name}`,
    ];
    this.#context.terminal.stderr.write(`${lines.join('\n')}\n`);
  }

  /** Prints what failed, even with --quiet. */
  #complain(error: unknown): void {
    this.#context.terminal.stderr.write(`gomote: ${printable(messageAndHint(error))}
`);
  }

  /** For --json. */
  report(): object {
    const { name, type, index } = this.#machine;
    const run =
      this.#failure === undefined
        ? reportOf(this.#code, this.#record)
        : reportOfFailure(this.#failure, this.#record);
    return {
      ...{ name, type: type ?? null, index, kept: this.#spec.on !== undefined || this.#isKept },
      code: this.#code,
      phases: this.#phases.done,
      run: this.#hasRun ? run : null,
      files: this.#files,
      error: this.#failure === undefined ? null : messageOf(this.#failure),
    };
  }
}

/** A required file is missing: the command itself has ended, with a known status. */
const codeOf = (error: unknown): number =>
  error instanceof MissingFiles ? exitCodes.failed : runFailureCode(error);

/** A local failure, such as output that cannot be written. */
const isLocal = (error: unknown): boolean => !isGomoteError(error);
