// The client of one buildlet, reached directly or through a coordinator.
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { disposableLoop } from '../disposable-loop.ts';
import { GomoteError } from '../errors.ts';
import type { HttpRequest, HttpResponse, RequestBody } from '../http/client/request.ts';
import type { ServerAddress } from '../http/client/server-address.ts';
import { endpoints } from '../protocol/endpoints.ts';
import type { DirEntry } from '../protocol/listing.ts';
import type { BuildletStatus } from '../protocol/status.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import { hostPort, urlOf } from './address.ts';
import { buildletConnection } from './buildlet-connection.ts';
import type { BuildletClientOptions, CallOptions, PasswordCredentials } from './client-options.ts';
import { type Connection, callSafely } from './connection.ts';
import { Files, putTar, putTarFromURL, type Removal, removeAll, writeFile } from './files/files.ts';
import type { ListDirOptions } from './files/streams.ts';
import type { Download, TransferOptions, TransferSummary } from './files/transfers.ts';
import type { Trees } from './files/trees.ts';
import { withOutputs } from './given-streams.ts';
import type { BuildletHold, HoldOptions } from './hold.ts';
import type { KeyPair } from './key-pair.ts';
import { Ports } from './ports.ts';
import type { ExecOptions, ExecResult } from './runs/exec.ts';
import { Sessions } from './runs/sessions.ts';
import { hasFeature, probe, readStatus } from './status.ts';

export type { BuildletClientOptions, CallOptions, PasswordCredentials };

/**
 * Drives one buildlet. The constructor returns at once and tests neither the address nor the password.
 *
 * From the first call on, a heartbeat asks for the buildlet's status; after three failures in a row every
 * pending and later call fails with ERR_BROKEN. Neither heartbeats nor idle connections keep a process alive.
 *
 * Each call can also fail with ERR_CONNECT (no connection), ERR_LOST (it broke in the middle), ERR_UNAUTHORIZED (the password),
 * ERR_CLOSED, and with what the buildlet refuses: a `StatusError` with its code, else ERR_STATUS.
 *
 * @example
 * await using client = new BuildletClient('unix:/run/buildlet.sock', { password });
 * await client.putTar(createReadStream('src.tar.gz'), 'src');
 * const { ok } = await client.exec('src/make.sh', { output: process.stdout });
 * await pipeline(await client.getTar('out'), createWriteStream('out.tar.gz'));
 *
 * @example
 * console.log(String(client), await client.probe(), await client.status(), await client.workDir());
 * if (await client.has('file')) await client.put('text', 'dir/file', 0o644);
 * for await (const { name } of client.listDir('dir')) await client.removeAll([`dir/${name}`]);
 * await client.putTarFromURL('https://example.com/src.tar.gz', 'src');
 * const { body, summary } = await client.download('', { compress: 'none' });
 * await client.close(); // or: await client.halt(); or: await client.disconnect();
 */
export class BuildletClient implements AsyncDisposable {
  readonly #connection: Connection;
  #onHeartbeatFailure: (() => void) | undefined;

  /** A short description of the origin of the connection. */
  description: string;

  /** Runs that outlive connections. */
  readonly sessions: Sessions;
  /** Single files, with checksums, resumed after a cut. */
  readonly files: Files;
  /** Ports and sockets of the machine. */
  readonly ports: Ports;

  /** Whether to request archives with a single gzip member, for release binaries. Default false; set before use. */
  releaseMode = false;

  /**
   * @param address `HOST:PORT`, `unix:PATH`, a URL, or an address with its own way to connect.
   * @param credentials A key pair (TLS, pinned to its certificate), a password, or none.
   * @throws GomoteError ERR_USAGE when the address or a duration is invalid.
   */
  constructor(
    address: string | ServerAddress,
    credentials?: KeyPair | PasswordCredentials,
    options: BuildletClientOptions = {},
  ) {
    this.#connection = buildletConnection(address, credentials, options);
    this.description = options.description ?? '';
    this.sessions = new Sessions(this.#connection);
    this.files = new Files(this.#connection);
    this.ports = new Ports(this.#connection);
    this.#connection.onDead = () => this.#heartbeatFailed();
  }

  /** The name given to the constructor, else the address. */
  get name(): string {
    return this.#connection.options.label;
  }

  /** `HOST:PORT` or `unix:PATH`. */
  get ipPort(): string {
    return hostPort(this.#connection.options.address);
  }

  /** The buildlet's name on its coordinator; empty when it is reached directly. */
  get remoteName(): string {
    return this.#connection.options.remoteName;
  }

  /** The URL, without the default port. */
  get url(): string {
    return urlOf(this.#connection.options.address);
  }

  /** @internal Where requests go, and with which authorization, for the relay of a coordinator. */
  get target() {
    return this.#connection.target;
  }

  /** The URL and the description. */
  toString(): string {
    return `${this.url} ${this.description}`.trim();
  }

  /** Whether the client can no longer be used: closed, marked broken, or its peer is dead. */
  get isBroken(): boolean {
    return this.#connection.failure !== undefined;
  }

  /** Marks the client broken: every pending and later call fails with ERR_BROKEN. */
  markBroken(): void {
    this.#connection.fail(new GomoteError('ERR_BROKEN', `${this.name} was marked broken`));
  }

  /** Uses this undici Dispatcher for requests; the client does not destroy it. Set before use. */
  setDispatcher(dispatcher: Dispatcher): void {
    this.#connection.dispatcher = dispatcher;
  }

  /** Called once, when heartbeats fail or the client is closed; errors are ignored. Set before use. */
  set onHeartbeatFailure(listener: () => void) {
    this.#onHeartbeatFailure = listener;
  }

  #heartbeatFailed(): void {
    const listener = this.#onHeartbeatFailure;
    this.#onHeartbeatFailure = undefined;
    callSafely(listener);
  }

  /** Ends the buildlet and its state: asks it to halt, for at most 2 s; then every pending call fails with ERR_CLOSED. */
  async close(): Promise<void> {
    await this.halt({ signal: timeoutSignal(2_000) }).catch(() => undefined);
    await this.disconnect();
  }

  /** Makes the buildlet end soon after this process, even if that is killed. Undefined when it is not supported, as by Go's. */
  async hold(options: HoldOptions & CallOptions): Promise<BuildletHold | undefined> {
    return await (await import('./hold.ts')).hold(this.#connection, options);
  }

  /** Asks the buildlet to end. Throws when it does not accept the request. */
  async halt(options: CallOptions = {}): Promise<void> {
    await this.#connection.callText({ method: 'POST', path: endpoints.halt.path, ...options });
  }

  /** Closes the connections and leaves the buildlet running; pending calls fail with ERR_CLOSED. */
  async disconnect(): Promise<void> {
    this.#connection.fail(new GomoteError('ERR_CLOSED', `the client of ${this.name} was closed`));
    this.#heartbeatFailed();
    await this.ports.close();
    await this.#connection.destroy();
  }

  /** As {@link disconnect}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  /**
   * Ends a buildlet and its machine: asks both at once, for at most 5 s.
   * @param deleteMachine Asks the platform to delete the machine; resolves once that is requested.
   * @throws GomoteError naming whichever of the two did not answer, when neither or only one did.
   */
  async destroyVM(
    deleteMachine: (signal: AbortSignal) => Promise<void>,
    { signal }: CallOptions = {},
  ): Promise<void> {
    const { destroyVM } = await import('./destroy-vm.ts');
    await destroyVM(this, deleteMachine, signal);
  }

  /**
   * Runs a command. A command that fails is a result; the call throws when it could not be run
   * (ERR_NOT_STARTED, with the reason), or when its outcome is unknown (ERR_LOST, ERR_BROKEN,
   * ERR_TIMEOUT, ERR_ABORTED, ERR_CONNECT).
   */
  async exec(cmd: string, options: ExecOptions = {}): Promise<ExecResult> {
    return await withOutputs([options.output], async () =>
      (await import('./runs/exec.ts')).exec(this.#connection, cmd, options),
    );
  }

  /**
   * A .tar.gz of the directory, relative to the work directory; empty for all of it. The stream fails with ERR_LOST
   * when it is truncated.
   */
  async getTar(dir: string, options: TransferOptions = {}): Promise<Readable> {
    return (await this.download(dir, options)).body;
  }

  /** Like `getTar`, with the compression of the archive and, at its end, the totals. */
  async download(dir: string, options: TransferOptions = {}): Promise<Download> {
    const { getTar } = await import('./files/transfers.ts');
    return await getTar(this.#connection, dir, { release: this.releaseMode, ...options });
  }

  /** Lists a directory, relative to the work directory; empty for the work directory itself. */
  listDir(dir: string, options: ListDirOptions = {}): AsyncGenerator<DirEntry, void> {
    return disposableLoop(this.#listDir(dir, options));
  }

  async *#listDir(dir: string, options: ListDirOptions) {
    yield* (await import('./files/streams.ts')).listDir(this.#connection, dir, options);
  }

  /** Trees pushed and pulled by their changes. */
  async trees(): Promise<Trees> {
    return new (await import('./files/trees.ts')).Trees(this.#connection);
  }

  /**
   * Writes a file, its path relative to the work directory; parent directories are created.
   * @param source Text, bytes, or a stream of bytes, which is claimed synchronously and is destroyed unless all of it
   * is sent.
   * @param mode Permission bits, such as 0o644, or a mode as `fs.stat` gives it.
   * @throws GomoteError ERR_LOCAL_FILE when the source fails, ERR_USAGE when it or the mode is none.
   */
  async put(
    source: RequestBody,
    path: string,
    mode: number,
    options: CallOptions = {},
  ): Promise<void> {
    await writeFile(this.#connection, source, path, { mode, ...options });
  }

  /**
   * Extracts an archive, tar in gzip, into a directory, relative to the work directory, created if missing; empty for the
   * work directory. Throws ERR_LOST when the totals of both ends differ.
   */
  async putTar(
    source: RequestBody,
    dir: string,
    options: TransferOptions = {},
  ): Promise<TransferSummary> {
    return await putTar(this.#connection, source, dir, options);
  }

  /** Like `putTar`, but the buildlet fetches the .tar.gz from a URL. */
  async putTarFromURL(tarUrl: string, dir: string, options: CallOptions = {}): Promise<void> {
    await putTarFromURL(this.#connection, tarUrl, dir, options);
  }

  /** Removes files and directories, relative to the work directory; missing ones are reported, `.` empties it. */
  async removeAll(paths: readonly string[], options: CallOptions = {}): Promise<Removal> {
    return await removeAll(this.#connection, paths, options);
  }

  /**
   * Checks that the buildlet answers, without a password; does not count as use. Returns when
   * the buildlet ends unless it is used, if it reports that.
   */
  async probe(options: CallOptions = {}): Promise<{
    /** When it ends unless it is used; undefined: it does not say. */
    expires: Date | undefined;
  }> {
    return await probe(this.#connection, options.signal);
  }

  /** The buildlet's status. */
  async status(options: CallOptions = {}): Promise<BuildletStatus> {
    return await readStatus(this.#connection, options.signal);
  }

  /** Whether it announces an extension; requested once. */
  async has(feature: string, options: CallOptions = {}): Promise<boolean> {
    return await hasFeature(this.#connection, feature, options.signal);
  }

  /** The absolute path of the work directory. */
  async workDir(options: CallOptions = {}): Promise<string> {
    const { path } = endpoints.workDir;
    return await this.#connection.callText({ method: 'GET', path, ...options });
  }

  /** Sends a request, with the client's credentials and `X-Buildlet-Proxy` added, and returns the reply of any status. */
  async proxyRequest(request: HttpRequest): Promise<HttpResponse> {
    const signal = this.#connection.signalWith(request.signal);
    return await this.#connection.call({ ...request, signal, anyStatus: true });
  }
}
