// Records spans, and sends them in batches. It never holds up the work: what cannot be sent in time is dropped.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { errnoOf, isGomoteError } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { SetAttributes, SpanContext, SpanOptions, Tracer } from '../../tracing.ts';
import { type FinishedSpan, type OtlpTarget, sendSpans } from './otlp.ts';

/** The most spans that wait to be sent. */
const mostSpans = 2_048;

/** How often they are sent while the program runs, in ms. */
const intervalMs = 5_000;

interface RecorderOptions {
  /** Absent: spans are not recorded, only passed on. */
  readonly target: OtlpTarget | undefined;
  /** The parent of what has none here. */
  readonly parent?: SpanContext | undefined;
  /** Called once with why spans cannot be sent. */
  readonly onTrouble: (error: unknown) => void;
}

export class TraceRecorder implements Tracer {
  readonly #options: RecorderOptions;
  readonly #spans = new AsyncLocalStorage<SpanContext>();
  #waiting: FinishedSpan[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hasTold = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  get current(): SpanContext | undefined {
    return this.#spans.getStore() ?? this.#options.parent;
  }

  async inSpan<T>(
    name: string,
    { attributes, isServer = false, parent = this.current }: SpanOptions,
    work: (set: SetAttributes) => Promise<T>,
  ): Promise<T> {
    const isRecorded = this.#options.target !== undefined && parent?.isSampled !== false;
    // What is not recorded must not be named as a parent.
    if (!isRecorded) {
      const pass = () => work(() => undefined);
      return parent === undefined ? await pass() : await this.#spans.run(parent, pass);
    }
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
    const spanId = randomBytes(8).toString('hex');
    const context = { traceId, spanId, isSampled: true, state: parent?.state };
    const known = { ...attributes };
    const startedAtMs = Date.now();
    const startedAt = performance.now();
    const finish = (hasFailed: boolean) =>
      this.#add({
        ...{ traceId, spanId, parentSpanId: parent?.spanId, state: parent?.state },
        ...{ name, isServer, startedAtMs, endedAtMs: startedAtMs + performance.now() - startedAt },
        ...{ hasFailed, attributes: known },
      });
    try {
      const result = await this.#spans.run(context, () =>
        work((more) => void Object.assign(known, more)),
      );
      finish(known['process.exit.code'] !== undefined && known['process.exit.code'] !== 0);
      return result;
    } catch (error) {
      // A code alone: messages may name anything.
      known['error.type'] = isGomoteError(error) ? error.code : (errnoOf(error) ?? 'ERR_UNKNOWN');
      finish(true);
      throw error;
    }
  }

  #add(span: FinishedSpan): void {
    if (this.#waiting.length < mostSpans) this.#waiting.push(span);
    else this.#tell(new Error(`more than ${mostSpans} spans wait to be sent`));
    this.#timer ??= setTimeout(() => void this.flush(intervalMs), intervalMs).unref();
  }

  /** Sends what waits, within this time. */
  async flush(limitMs: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = this.#waiting;
    this.#waiting = [];
    const { target } = this.#options;
    if (target === undefined || spans.length === 0) return;
    try {
      await sendSpans(target, spans, timeoutSignal(limitMs));
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error: unknown): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#options.onTrouble(error);
  }
}
