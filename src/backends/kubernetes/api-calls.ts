// Calls to the API server: rate-limited, over connections that are reused, retried while it cannot be reached.
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ConfigurationOptions,
  RequestContext,
  ResponseContext,
} from '@kubernetes/client-node';
import type { Gate } from '../../rate-limit.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { Observable } from './client-node.ts';
import { clusterError, isTransient, refusalOf } from './cluster-error.ts';

export interface ApiCall {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for an unreachable server, in ms. Default 10,000. */
  readonly patienceMs?: number | undefined;
}

export type CallOptions = ConfigurationOptions;
type Work<T> = (options: CallOptions) => Promise<T>;
type Headers = Readonly<Record<string, string>>;

/** The time limit of one call, in ms. */
const callTimeoutMs = 30_000;

/** How long connections are made with the same credentials, in ms: those of a plug-in may change. */
const agentLifetimeMs = 10 * 60_000;

export class ApiCalls {
  readonly #gate: Gate;
  #agent: ReturnType<RequestContext['getAgent']>;
  #agentSinceMs = -Infinity;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  /**
   * One attempt, which fails as the library does and is not cancelled once it was sent; the signal applies to the wait at
   * the gate. `turns` is for how many calls that is.
   */
  async once<T>({ signal }: ApiCall, turns: number, work: Work<T>): Promise<T> {
    for (let turn = 0; turn < turns; turn++) await this.#gate(signal);
    return await work(this.#options(undefined, {}));
  }

  /** Retries while the server is unreachable or busy, within the caller's time limit. */
  async repeat<T>(doing: string, call: ApiCall, work: Work<T>, headers: Headers = {}): Promise<T> {
    const { signal, patienceMs = 10_000 } = call;
    const deadline = Date.now() + patienceMs;
    for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 2_000)) {
      try {
        await this.#gate(signal);
        return await work(this.#options(signal, headers));
      } catch (error) {
        signal?.throwIfAborted();
        const waitMs = refusalOf(error)?.retryAfterMs ?? pauseMs;
        if (!isTransient(error) || Date.now() + waitMs > deadline) throw clusterError(doing, error);
        await sleep(waitMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
      }
    }
  }

  /** Like `repeat`; undefined when the object does not exist. */
  async optional<T>(
    doing: string,
    call: ApiCall,
    work: Work<T>,
    headers?: Headers,
  ): Promise<T | undefined> {
    const unlessAbsent: Work<T | undefined> = async (options) => {
      try {
        return await work(options);
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal?.status === 404 && !/^namespaces /.test(refusal.message)) return undefined;
        throw error;
      }
    };
    return await this.repeat(doing, call, unlessAbsent, headers);
  }

  /** Options of a call besides its arguments: signal, headers, and kept connections. */
  #options(signal: AbortSignal | undefined, headers: Headers): CallOptions {
    const late = timeoutSignal(callTimeoutMs);
    return {
      middleware: [
        {
          pre: (context: RequestContext) => {
            this.#keepConnections(context);
            context.setSignal(signal === undefined ? late : anySignal(signal, late));
            for (const [key, value] of Object.entries(headers)) context.setHeaderParam(key, value);
            return new Observable(Promise.resolve(context));
          },
          post: (context: ResponseContext) => new Observable(Promise.resolve(context)),
        },
      ],
    };
  }

  /** The library creates a new agent, and with it a new TLS session, for every call. */
  #keepConnections(context: RequestContext): void {
    const nowMs = Date.now();
    if (this.#agent === undefined || nowMs - this.#agentSinceMs > agentLifetimeMs) {
      this.#agent = context.getAgent();
      this.#agentSinceMs = nowMs;
      if (this.#agent !== undefined) Object.assign(this.#agent, { keepAlive: true });
      return;
    }
    context.setAgent(this.#agent);
  }
}
