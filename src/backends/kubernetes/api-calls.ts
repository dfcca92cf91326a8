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
  /** How long a server that is away is waited for, in ms. Default 10,000. */
  readonly patienceMs?: number | undefined;
}

export type CallOptions = ConfigurationOptions;
type Work<T> = (options: CallOptions) => Promise<T>;
type Headers = Readonly<Record<string, string>>;

/** How long one call may take, in ms. */
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
   * One try, which fails as the library does and is not cancelled once it is on its way; the signal is for the wait at
   * the gate. `turns` is for how many calls that is.
   */
  async once<T>({ signal }: ApiCall, turns: number, work: Work<T>): Promise<T> {
    for (let turn = 0; turn < turns; turn++) await this.#gate(signal);
    return await work(this.#options(undefined, {}));
  }

  /** Tries again while the server is away or busy, for as long as the caller has patience. */
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

  /** As `repeat`; undefined when the thing is not there. */
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

  /** What a call needs beyond its arguments: its signal, its headers, and connections that are kept. */
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

  /** The library makes a new agent for every call, and with it a new TLS session. */
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
