// One buildlet for programs: push and pull trees, run commands, destroy it.
import type { BuilderType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { CallOptions } from '../client/client-options.ts';
import { disposableLoop } from '../disposable-loop.ts';
import { GomoteError, untilAborted } from '../errors.ts';
import { ownFileError } from '../files/local-error.ts';
import type { SessionInfo } from '../protocol/session.ts';
import type { TransferSummary } from '../protocol/transfer.ts';
import type { TreeDifference } from '../protocol/tree-difference.ts';
import type { PullSummary } from '../sync/pull/pull-options.ts';
import type { PushSummary } from '../sync/push/push-target.ts';
import { anySignal } from '../timeout-signal.ts';
import { checkRun } from './arguments.ts';
import type { Backends } from './backends.ts';
import type { DiffOptions } from './diff.ts';
import { BuildletFiles } from './files.ts';
import type { ForkOptions } from './fork.ts';
import type { Forward, ForwardOptions } from './forward.ts';
import type { PullTreeOptions } from './pull.ts';
import type { PushTreeOptions } from './push.ts';
import { loginShell } from './run/login-shell.ts';
import type { AttachOptions, RunOptions, ShellOptions } from './run/options.ts';
import { pushedDirectory, startDirectory } from './run/pushed-directory.ts';
import { requestOf } from './run/request.ts';
import type { Run } from './run/run.ts';
import { attachRun, startRun } from './run/start.ts';
import type { PutOptions } from './send-file.ts';
import type { Snapshot, SnapshotOptions } from './snapshots.ts';

export interface BuildletParts {
  readonly name: string;
  readonly client: BuildletClient;
  readonly builder: BuilderType | undefined;
  readonly backends: Backends;
  /** Whether it was created here, so that it is destroyed at the end of its scope. */
  readonly isOwn: boolean;
  readonly explain: (error: GomoteError) => Promise<GomoteError>;
  readonly destroy: (signal: AbortSignal) => Promise<void>;
  /** Releases the backend and the connection. */
  readonly release: () => Promise<void>;
}

/**
 * A buildlet, with a connection to it. Returned by `create` and `get` of {@link Gomote}.
 * @example
 * await using buildlet = await gomote.create('linux-amd64');
 * await buildlet.push('.');
 * for await (const line of buildlet.run('go', ['test', './...'])) console.log(line);
 * for (const { id } of await buildlet.runs()) await buildlet.attach(id, { stdout: process.stdout });
 * console.log(await buildlet.diff(), await buildlet.snapshot('ready'), await buildlet.fork({ count: 4 }));
 * await buildlet.pull(undefined, { changedOnly: true });
 *
 * @example
 * const buildlet = await gomote.get('me-linux-amd64-0');
 * await buildlet.put('tool', 'bin/', { mode: 0o755 });
 * await buildlet.get('out/app', 'app');
 * await using forward = await buildlet.forward('0:3000');
 * await buildlet.shell({ stdin: process.stdin, stdout: process.stdout });
 * await buildlet.disconnect(); // or: await buildlet.destroy();
 */
export class Buildlet implements AsyncDisposable {
  /** The name for `get`. */
  readonly name: string;
  /** The protocol itself: all that a buildlet can do. */
  readonly client: BuildletClient;
  /** Its builder type, if known. */
  readonly builder: BuilderType | undefined;
  /** Its files, one at a time. */
  readonly files: BuildletFiles;
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
    this.files = new BuildletFiles({
      name: parts.name,
      client: parts.client,
      call: (options, work) => this.#call(options, work),
      run: (cmd, args, signal) => this.run(cmd, args, { dir: '.', signal }),
    });
  }

  /**
   * Starts a command: a name without a slash is looked up on PATH, `./NAME` is in the directory of the run, `/NAME`
   * is absolute. A buildlet without sessions, such as Go's, runs it by the base protocol, with both outputs merged.
   *
   * @returns A handle that can be awaited, iterated, killed or detached: see {@link Run}.
   */
  run(cmd: string, args: readonly string[] = [], options: RunOptions = {}): Run {
    checkRun(cmd, args, options);
    const { name, builder, backends } = this;
    const { environment } = backends.settings;
    const pushed = () => this.#pushedTo ?? pushedDirectory(this.client, environment);
    const dir = options.dir ?? startDirectory(cmd, pushed());
    const request = () => requestOf({ name, builder, backends }, { cmd, args, dir }, options);
    return startRun(this.#place, request, options);
  }

  /**
   * Starts the login shell of the remote user on a terminal. Pass its input as `stdin`, a stream, and set the size of the
   * terminal with `resize`.
   */
  shell(options: ShellOptions = {}): Run {
    const { columns = 80, rows = 24, term = 'xterm-256color', ...others } = options;
    const { cmd, args } = loginShell('');
    return this.run(cmd, args, { ...others, system: true, tty: { columns, rows, term } });
  }

  /** Follows an existing run, also one that has ended: its output from the beginning, and how it ended. */
  attach(id: string, options: AttachOptions = {}): Run {
    return attachRun(this.#place, id, options);
  }

  /**
   * Makes a directory there equal to a local one: sends what differs, and removes what was sent before and is gone
   * here. Build output there is left alone.
   *
   * @param dir The local directory. Default: the git work tree of the current directory, else that directory.
   * @throws IncompleteError when something could not be sent and the rest is there, else ERR_LOCAL_FILE, ERR_CONNECT, ERR_LOST.
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
   * Fetches a directory. Deletes nothing here, and does not overwrite files that were changed here.
   *
   * @param remote The directory there. Default: where `push` would put the tree around the current directory.
   * @throws IncompleteError when files were kept, refused or not fetched, else ERR_NO_SUCH_FILE, ERR_CONNECT, ERR_LOST.
   */
  async pull(remote?: string, options: PullTreeOptions = {}): Promise<PullSummary> {
    const { pullTree } = await import('./pull.ts');
    return await this.#call(options, (signal) => pullTree(this, remote, { ...options, signal }));
  }

  /**
   * Pushes the directory, and again whenever something in it changes, until the signal aborts or the loop ends. Check
   * the `unsent` of each summary for files that could not be read here.
   *
   * @example
   * for await (const { files } of buildlet.watch('.')) console.log(`${files} sent`);
   */
  watch(dir?: string, options: PushTreeOptions = {}): AsyncGenerator<PushSummary, void> {
    return disposableLoop(this.#watch(dir, options));
  }

  async *#watch(dir: string | undefined, options: PushTreeOptions) {
    const { watchTree } = await import('./watch.ts');
    const signal = this.#signalOf(options);
    const pushes = watchTree(this, dir, { ...options, signal });
    try {
      for (;;) {
        const step = await this.#call({ signal }, () => pushes.next());
        if (step.done) return;
        yield step.value;
      }
    } finally {
      await pushes.return();
    }
  }

  /** What the buildlet's commands have added, changed and removed since the pushes. */
  async diff(options: DiffOptions = {}): Promise<TreeDifference[]> {
    const { differences } = await import('./diff.ts');
    return await this.#call(options, (signal) => differences(this, { ...options, signal }));
  }

  /**
   * Sends a local file. Throws ERR_LOCAL_FILE when it cannot be read, ERR_PATH when `dest` leaves the work directory.
   *
   * @param dest The destination, relative to the work directory; with a trailing slash, a directory. Default: its base name.
   */
  async put(file: string, dest?: string, options: PutOptions = {}): Promise<TransferSummary> {
    const { putFile } = await import('./transfer.ts');
    return await this.#call(options, (signal) => putFile(this, file, dest, { ...options, signal }));
  }

  /**
   * Fetches a file. Throws ERR_NO_SUCH_FILE when it does not exist there, ERR_LOCAL_FILE when it cannot be written here.
   *
   * @param to The local file or directory. Default: the base name, in the current directory.
   */
  async get(path: string, to?: string, options: CallOptions = {}): Promise<TransferSummary> {
    const { getFile } = await import('./transfer.ts');
    return await this.#call(options, (signal) => getFile(this, path, to, { signal }));
  }

  /**
   * Stores a snapshot of the work directory, for `create` with `from`: at its coordinator, else on this machine.
   *
   * @param tag The name of the snapshot. Default: the buildlet's name and a number.
   * @throws GomoteError ERR_CONFLICT when the name is taken, ERR_LOST when a file changes meanwhile.
   */
  async snapshot(tag?: string, options: SnapshotOptions = {}): Promise<Snapshot> {
    const { takeSnapshot } = await import('./snapshots.ts');
    return await this.#call(options, (signal) => takeSnapshot(this, tag, { ...options, signal }));
  }

  /**
   * Creates new buildlets of the same type with this one's work directory, all or none. They do not end with a scope:
   * destroy them.
   *
   * @returns Their names, for `get`.
   */
  async fork(options: ForkOptions = {}): Promise<string[]> {
    const { fork } = await import('./fork.ts');
    return await this.#call(options, (signal) => fork(this, { ...options, signal }));
  }

  /** The runs of the buildlet, running and ended. Throws ERR_UNSUPPORTED when it does not support runs. */
  async runs(options: CallOptions = {}): Promise<SessionInfo[]> {
    return await this.#call(options, (signal) => this.client.sessions.list({ signal }));
  }

  /**
   * Forwards connections to a local socket to one there, or with `remote` the other way round, until it is closed. When the
   * connection to the buildlet is lost, it is reopened: open connections break, and nothing else.
   *
   * @param spec `[FROM:]TO`, each `PORT`, `HOST:PORT` or `unix:PATH`, such as `8080:3000`; port 0 means any free port.
   * @throws GomoteError ERR_USAGE for invalid text, ERR_CONFLICT when the first socket is not available, ERR_UNSUPPORTED.
   */
  async forward(spec: string, options: ForwardOptions = {}): Promise<Forward> {
    const { openForward } = await import('./forward.ts');
    return await openForward(this, spec, { ...options, signal: this.#signalOf(options) });
  }

  /** Destroys the buildlet and everything that belongs to it. */
  async destroy(options: CallOptions = {}): Promise<void> {
    await this.backends.call(options, (signal) => this.#parts.destroy(signal));
    this.#isGone = true;
    await this.disconnect();
  }

  /** Closes the connections and leaves the buildlet running; runs that are read here fail with ERR_CLOSED. */
  async disconnect(): Promise<void> {
    this.#isGone = true;
    this.#closing.abort(new GomoteError('ERR_CLOSED', `the connection to ${this.name} was closed`));
    this.#released ??= this.#parts.release();
    await this.#released;
  }

  /** Destroys a buildlet of `create`, unless it was destroyed or disconnected before; only disconnects one of `get`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#parts.isOwn && !this.#isGone ? this.destroy() : this.disconnect());
  }

  /** @internal The directories of the configuration and the caches. */
  get backends(): Backends {
    return this.#parts.backends;
  }

  /** @internal Explains an error. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof GomoteError) || this.#explained.has(error)) return error;
    const explained = await this.#parts.explain(error);
    this.#explained.add(explained);
    return explained;
  }

  /** @internal Runs the work, and explains its failure by the backend, which may know more than the connection. */
  async explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.explain(ownFileError(error));
    }
  }

  async #call<T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.#signalOf(options);
    return await this.explained(() => untilAborted(signal, () => work(signal)));
  }

  #signalOf(options: CallOptions): AbortSignal {
    return anySignal(this.backends.signalOf(options), this.#closing.signal);
  }

  get #place() {
    return {
      ...{ name: this.name, client: this.client },
      explained: <T>(work: () => Promise<T>) => this.explained(work),
      signal: this.backends.signalOf({ signal: this.#closing.signal }),
    };
  }
}
