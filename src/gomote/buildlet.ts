// One buildlet as a program uses it: trees pushed and pulled, commands run, and its end.
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError, untilAborted } from '../errors.ts';
import type { PullSummary } from '../sync/pull/pull-options.ts';
import type { PushSummary } from '../sync/push/push-target.ts';
import { anySignal } from '../timeout-signal.ts';
import type { Backends } from './backends.ts';
import type { PullTreeOptions } from './pull.ts';
import type { PushTreeOptions } from './push.ts';
import type { AttachOptions, RunOptions } from './run/options.ts';
import { pushedDirectory, startDirectory } from './run/pushed-directory.ts';
import { requestOf } from './run/request.ts';
import type { Run } from './run/run.ts';
import { attachRun, startRun } from './run/start.ts';

interface BuildletParts {
  readonly name: string;
  readonly client: BuildletClient;
  readonly builder: BuilderType | undefined;
  readonly backends: Backends;
  /** Whether it was made here, so that it ends with its scope. */
  readonly isOwn: boolean;
  readonly explain: (error: GomoteError) => Promise<GomoteError>;
  readonly destroy: (signal: AbortSignal) => Promise<void>;
  /** Drops what it holds of the backend and the connection. */
  readonly release: () => Promise<void>;
}

/**
 * A buildlet, with a connection to it. `create` and `get` of {@link Gomote} make it.
 *
 * @example
 * await using buildlet = await gomote.create('linux-amd64');
 * await buildlet.push('.');
 * for await (const line of buildlet.run('go', ['test', './...'])) console.log(line);
 * await buildlet.pull('coverage', { to: 'coverage' });
 */
export class Buildlet implements AsyncDisposable {
  /** By which `get` finds it. */
  readonly name: string;
  /** The protocol itself: all that a buildlet can do. */
  readonly client: BuildletClient;
  /** Its builder type, if that is known here. */
  readonly builder: BuilderType | undefined;
  readonly #parts: BuildletParts;
  readonly #closing = new AbortController();
  readonly #explained = new WeakSet<Error>();
  #released: Promise<void> | undefined;
  #isGone = false;
  /** Where the last push went. */
  #pushedTo: string | undefined;

  /** @internal */
  constructor(parts: BuildletParts) {
    this.name = parts.name;
    this.client = parts.client;
    this.builder = parts.builder;
    this.#parts = parts;
  }

  /**
   * Starts a command at once: a name without a slash is looked up on PATH, `./NAME` is in the directory of the run, `/NAME`
   * anywhere. A buildlet without sessions, such as Go's, runs it by the base protocol, with both outputs as one.
   *
   * @returns What can be awaited, iterated, ended or left: see {@link Run}.
   */
  run(cmd: string, args: readonly string[] = [], options: RunOptions = {}): Run {
    const { name, builder } = this;
    const { backends } = this.#parts;
    const { environment } = backends.settings;
    const pushed = () => this.#pushedTo ?? pushedDirectory(this.client, environment);
    const dir = options.dir ?? startDirectory(cmd, pushed());
    const request = () => requestOf({ name, builder, backends }, { cmd, args, dir }, options);
    return startRun(this.#place, request, options);
  }

  /** Picks up a run, also one that has ended: its output from the beginning, and how it ended. */
  attach(id: string, options: AttachOptions = {}): Run {
    return attachRun(this.#place, id, options);
  }

  /**
   * Makes a directory there equal to one of this machine: sends what differs, and removes what was sent before and is gone
   * here. What builds made there is left alone.
   *
   * @param dir The directory here. Default: the git work tree around the current directory, else that.
   * @returns What was sent. What could not be read here is in its `unsent`: look at that.
   */
  async push(dir?: string, options: PushTreeOptions = {}): Promise<PushSummary> {
    const { pushTree } = await import('./push.ts');
    const pushed = await this.#call(options, (signal) =>
      pushTree(this, dir, { ...options, signal }),
    );
    if (options.dryRun !== true) this.#pushedTo = pushed.dir;
    return pushed.summary;
  }

  /**
   * Fetches a directory. Nothing is deleted here, and nothing that is somebody's work here is overwritten.
   *
   * @param remote The directory there. Default: where `push` would put the tree around the current directory.
   * @returns What came. What was left as it is, is in its `kept`, `refused` and `failed`: look at those.
   */
  async pull(remote?: string, options: PullTreeOptions = {}): Promise<PullSummary> {
    const { pullTree } = await import('./pull.ts');
    return await this.#call(options, (signal) => pullTree(this, remote, { ...options, signal }));
  }

  /** Ends the buildlet and removes all that belongs to it. */
  async destroy(options: CallOptions = {}): Promise<void> {
    await this.backends.call(options, (signal) => this.#parts.destroy(signal));
    this.#isGone = true;
    await this.disconnect();
  }

  /** Leaves the buildlet as it is, and drops the connections to it; runs that are read here fail with ERR_CLOSED. */
  async disconnect(): Promise<void> {
    this.#isGone = true;
    this.#closing.abort(new GomoteError('ERR_CLOSED', `the connection to ${this.name} was closed`));
    this.#released ??= this.#parts.release();
    await this.#released;
  }

  /** Destroys what `create` has made, unless it was destroyed or left before; leaves what `get` has found. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#parts.isOwn && !this.#isGone) await this.destroy();
    else await this.disconnect();
  }

  /**
   * Where the configuration and the caches are.
   *
   * @internal
   */
  get backends(): Backends {
    return this.#parts.backends;
  }

  /**
   * What is known of an error here.
   *
   * @internal
   */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof GomoteError) || this.#explained.has(error)) return error;
    const explained = await this.#parts.explain(error);
    this.#explained.add(explained);
    return explained;
  }

  /**
   * Does the work, and words its failure as the backend does: it may know more than the connection.
   *
   * @internal
   */
  async explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.explain(error);
    }
  }

  async #call<T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = anySignal(this.backends.signalOf(options), this.#closing.signal);
    return await this.explained(() => untilAborted(signal, () => work(signal)));
  }

  get #place() {
    return {
      name: this.name,
      client: this.client,
      explained: <T>(work: () => Promise<T>) => this.explained(work),
      signal: this.backends.signalOf({ signal: this.#closing.signal }),
    };
  }
}
