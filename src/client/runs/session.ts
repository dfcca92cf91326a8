// A session on a buildlet: a run that outlives its connections.
import { GomoteError, StatusError } from '../../errors.ts';
import { type HttpRequest, type HttpResponse, transportError } from '../../http/client/request.ts';
import { contentTypes, endpoints } from '../../protocol/endpoints.ts';
import { type FormValues, withQuery } from '../../protocol/form.ts';
import {
  encodeSessionForm,
  formatDurationMs,
  pingIntervalMs,
  type SessionEnd,
  type SessionRequest,
} from '../../protocol/session.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { CallOptions } from '../client-options.ts';
import type { Connection } from '../connection.ts';
import { withOutputs, withStream } from '../given-streams.ts';
import { randomId } from '../random-id.ts';
import { checkedDurationMs, timeLimitMs } from '../time-limit.ts';
import { NotShared } from './log-files.ts';
import { Outage } from './outage.ts';
import { isUnknownPath, mayHaveStarted, notStartedIn, sessionErrorOf } from './session-errors.ts';
import { sendInput } from './session-input.ts';
import type { SessionOptions, SessionReadOptions, SessionResult } from './session-options.ts';
import { LogCopier, loadReplies } from './session-reader.ts';
import { silentPings, watchedCopy } from './watched-copy.ts';

interface OpenLog {
  readonly reply: HttpResponse;
  readonly reader: string;
  /** Where it may name files, if that was offered. */
  readonly filesIn: string | undefined;
}

const defaultReconnectMs = 5 * 60_000;

/**
 * A run on the buildlet, on which connections come and go. `client.sessions` makes it.
 *
 * @example
 * const session = client.sessions.get(id);
 * const { end } = await session.readUntil(1_000, { stdout: process.stdout });
 * await Promise.all([session.sendInput(process.stdin), session.resize(120, 40), session.read({ from: 1_000 })]);
 * await session.kill('SIGTERM', { killAfterMs: 5_000 });
 */
export class Session {
  /** By which `sessions.get` finds it again. */
  readonly id: string;
  readonly #connection: Connection;
  readonly #reconnectMs: number;
  readonly #pingMs: number;
  readonly #isTimed: boolean;
  readonly #onStandstill: SessionOptions['onStandstill'];
  /** The reply to the request that started it, until it is read. */
  #first: OpenLog | undefined;
  #mayRun = false;
  #notStarted: string | undefined;
  /** Below which directory the buildlet may name the log's files instead of sending what is in them, if it may. */
  #filesIn: string | undefined;

  constructor(connection: Connection, id: string, options: SessionOptions = {}) {
    this.id = id;
    this.#connection = connection;
    this.#reconnectMs = checkedDurationMs('reconnectMs', options.reconnectMs) ?? defaultReconnectMs;
    const pingMs = timeLimitMs('pingMs', options.pingMs) ?? pingIntervalMs;
    this.#pingMs = Math.min(pingMs, pingIntervalMs);
    this.#isTimed = options.times === true;
    this.#onStandstill = options.onStandstill;
    const { sharedDirectory } = connection.options;
    this.#filesIn = options.runAhead === false ? undefined : sharedDirectory;
  }

  /** Whether a request to start it, by this object, has arrived for all that is known here. */
  get mayRun(): boolean {
    return this.#mayRun;
  }

  /** Why the command of a detached session could not be started; undefined if it could, for all that is known here. */
  get notStarted(): string | undefined {
    return this.#notStarted;
  }

  /**
   * Starts it, once however often the request has to be sent; false when the buildlet knows no sessions. Its log is
   * to be read at once, unless it is detached.
   */
  async start(
    request: SessionRequest,
    options: Pick<SessionReadOptions, 'signal' | 'onLost'> = {},
  ): Promise<boolean> {
    const signal = this.#connection.signalWith(options.signal);
    const body = encodeSessionForm({
      ...request,
      timeoutMs: timeLimitMs('timeoutMs', request.timeoutMs),
      idleTimeoutMs: timeLimitMs('idleTimeoutMs', request.idleTimeoutMs),
      killAfterMs: checkedDurationMs('killAfterMs', request.killAfterMs),
      graceMs: checkedDurationMs('graceMs', request.graceMs),
    });
    const outage = this.#outage(signal, options.onLost);
    const reader = randomId();
    if (signal.aborted) throw transportError(signal.reason, signal, 'ERR_CONNECT');
    for (;;) {
      try {
        const replying = this.#connection.call({
          heartbeat: false,
          method: 'POST',
          path: this.#path(endpoints.session.path, this.#as(reader)),
          headers: { 'Content-Type': contentTypes.form },
          body,
          signal,
          headersTimeoutMs: this.#pingMs * silentPings,
        });
        void loadReplies();
        const reply = await replying;
        this.#mayRun = true;
        if (request.detach) this.#notStarted = await notStartedIn(reply, signal);
        else this.#first = { reply, reader, filesIn: this.#filesIn };
        return true;
      } catch (error) {
        if (isUnknownPath(error)) return false;
        // Once it may run, that nobody answers at the moment tells nothing of it.
        const mightRun = this.#mayRun;
        this.#mayRun ||= mayHaveStarted(error);
        if (!this.#mayRun || (!mightRun && error instanceof StatusError)) throw error;
        await outage.wait(error);
      }
    }
  }

  /** Copies its output until it has ended, over as many connections as that takes. */
  async read(options: SessionReadOptions = {}): Promise<SessionResult> {
    const result = await this.readUntil(Infinity, options);
    if (result.end === undefined) throw new GomoteError('ERR_LOST', 'there is no closing record');
    return { ...result, end: result.end };
  }

  /** Copies its output up to that offset of its log, or to its end if that comes first. */
  async readUntil(
    until: number,
    options: SessionReadOptions = {},
  ): Promise<
    Omit<SessionResult, 'end'> & {
      /** How it ended; undefined when the offset came first. */
      readonly end: SessionEnd | undefined;
    }
  > {
    const { stdout, stderr } = options;
    return await withOutputs([stdout, stderr], () => this.#copyUntil(until, options));
  }

  async #copyUntil(until: number, options: SessionReadOptions) {
    const outputs = { ...options, onStandstill: this.#onStandstill };
    const copier = new LogCopier(outputs, options.from ?? 0, until);
    const signal = this.#connection.signalWith(options.signal);
    const outage = this.#outage(signal, options.onLost);
    while (!copier.isDone) {
      try {
        const { reply, reader, filesIn } =
          this.#first ?? (await this.#open(copier.position, options, signal));
        this.#first = undefined;
        await watchedCopy(reply.body, copier, {
          ping: (taken) => this.#ping(reader, taken, signal),
          pingMs: this.#pingMs,
          filesIn,
          onHeard: () => outage.heard(),
          onProgress: () => outage.over(),
          signal,
        });
      } catch (error) {
        if (error instanceof NotShared) this.#filesIn = undefined;
        else await outage.wait(sessionErrorOf(error, this.#connection.options.label));
      }
    }
    const { end, lostBytes } = copier;
    const isWhole = end !== undefined && copier.verify(end);
    await copier.flush();
    return { end, isWhole, lostBytes };
  }

  async #open(
    position: number,
    { from, observe }: SessionReadOptions,
    signal: AbortSignal,
  ): Promise<OpenLog> {
    const reader = randomId();
    const query = {
      from: from === 'end' ? 'end' : String(position),
      observe: observe ? '1' : undefined,
      ...this.#as(reader),
    };
    const path = this.#path(endpoints.session.path, query);
    const headersTimeoutMs = this.#pingMs * silentPings;
    const request = { method: 'GET', path, signal, headersTimeoutMs, heartbeat: false } as const;
    const reply = this.#connection.call(request);
    return { reader, filesIn: this.#filesIn, reply: await reply };
  }

  async #ping(reader: string, position: number, signal: AbortSignal): Promise<void> {
    const late = anySignal(signal, timeoutSignal(this.#pingMs));
    const query = { reader, ack: String(position) };
    await this.#post(endpoints.sessionPing.path, query, late);
  }

  /**
   * Sends all of the source as its input, and then the input's end; over as many connections as that takes, each byte
   * once. Resolves also when the command takes no more.
   */
  async sendInput(
    source: AsyncIterable<Uint8Array>,
    options: CallOptions & {
      /** How many bytes of input it has had from elsewhere. Default 0. */
      offset?: number | undefined;
    } = {},
  ): Promise<void> {
    const signalOf = () => this.#connection.signalWith(options.signal);
    await withStream(source, signalOf, (stream, signal) =>
      sendInput(stream, {
        signal,
        offset: options.offset ?? 0,
        outage: this.#outage(signal),
        send: async (body, offset, end) => {
          const query = { offset: String(offset), end: end ? '1' : undefined };
          const text = await this.#post(endpoints.sessionInput.path, query, signal, body);
          const { parseInputReply } = await loadReplies();
          return parseInputReply(text) ?? this.#connection.badReply('bad reply to input', text);
        },
      }),
    );
  }

  /**
   * Sends a signal, such as `SIGTERM`, to its process group.
   *
   * @param options `killAfterMs`: when to send KILL to what is left of it, in ms, of any length, whether or not anyone
   * still reads. Absent or Infinity: never.
   * @throws GomoteError ERR_CONFLICT when it has ended.
   */
  async kill(
    killSignal: string,
    options: { killAfterMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const killAfterMs = checkedDurationMs('killAfterMs', options.killAfterMs);
    const never = killAfterMs === undefined || killAfterMs === Infinity;
    const query = {
      signal: killSignal,
      killAfterMs: never ? undefined : formatDurationMs(killAfterMs),
    };
    await this.#control(endpoints.sessionSignal.path, query, options.signal);
  }

  /** Tells the size of the terminal it runs on. */
  async resize(columns: number, rows: number, signal?: AbortSignal): Promise<void> {
    const query = { columns: String(columns), rows: String(rows) };
    await this.#control(endpoints.sessionResize.path, query, signal);
  }

  /** Lets it continue, however long it has no reader. */
  async detach(signal?: AbortSignal): Promise<void> {
    await this.#control(endpoints.sessionDetach.path, {}, signal);
  }

  async #control(path: string, query: FormValues, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#post(path, query, signal);
    } catch (error) {
      throw sessionErrorOf(error, this.#connection.options.label);
    }
  }

  async #post(
    path: string,
    query: FormValues,
    signal: AbortSignal | undefined,
    body?: Uint8Array,
  ): Promise<string> {
    const request: HttpRequest = { method: 'POST', path: this.#path(path, query), signal, body };
    return await this.#connection.callText({ ...request, heartbeat: false });
  }

  #as(reader: string): FormValues {
    const named = this.#filesIn === undefined ? undefined : '1';
    const states = this.#onStandstill === undefined ? undefined : '1';
    return { reader, named, times: this.#isTimed ? '1' : undefined, states };
  }

  #path(path: string, query: FormValues): string {
    return withQuery(path, { id: this.id, ...query });
  }

  #outage(signal: AbortSignal, onLost?: (error: GomoteError) => void): Outage {
    const { options: peer } = this.#connection;
    return new Outage({ peer, reconnectMs: this.#reconnectMs, signal, onLost });
  }
}
