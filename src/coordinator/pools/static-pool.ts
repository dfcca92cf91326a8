// Permanent buildlets at fixed addresses: allocated to users, reset between them, and checked for health.
import { existsSync } from 'node:fs';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isOwnShortage, messageOf } from '../../errors.ts';
import type { Labels } from '../../protocol/labels.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type { Log } from '../log.ts';
import type { PoolConfig, StaticMachine } from '../pool-config.ts';
import { clean } from './cleaning.ts';
import { freeWith } from './members.ts';
import type { AcquireCall, Member, Pool, PoolCall, ReconcileCall } from './pool.ts';
import { pause } from './retry.ts';
import { clientOf, secretsOf } from './static-credentials.ts';
import { type FaultKind, UnavailableMachines } from './unavailable-machines.ts';

interface StaticPoolOptions {
  /** As in the configuration. */
  readonly name: string;
  readonly labels?: Labels | undefined;
  readonly hostType: string;
  readonly machines: readonly StaticMachine[];
  /** A line for the shell of the machine, run between users. */
  readonly resetCommand?: string | undefined;
  /** Whether an admin has taken the machine out of use. */
  readonly isDrained: (machine: string) => boolean;
  /** How often each unused machine is probed, in ms. */
  readonly probeIntervalMs: number;
  readonly log: Log;
}

/** How long a machine may take to answer, in ms. */
const answerTimeoutMs = 10_000;

/** The wait before a machine that cannot be lent is tried again, in ms; it doubles up to the interval of probes. */
const firstRetryMs = 1_000;

/** Why a machine cannot be lent. */
interface Fault {
  readonly what: FaultKind;
  readonly reason: string;
}

/** `busy`: lent, or being cleaned. `unavailable`: not lent before it answers and is clean. `kept`: left as it is. */
type State = 'free' | 'busy' | 'unavailable' | 'kept';

export class StaticPool implements Pool {
  readonly name: string;
  readonly hostType: string;
  readonly kind = 'static';
  readonly unavailable: UnavailableMachines;
  onCapacity = (): void => undefined;
  onLost = (): void => undefined;
  #options: StaticPoolOptions;
  /** Those of the configuration, and those that are still in use. */
  readonly #machines: Map<string, StaticMachine>;
  /** The least recently used one is first. */
  readonly #states = new Map<string, State>();
  readonly #closed = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #probing: NodeJS.Timeout | undefined;

  /** Throws ERR_CONFIG when others can read a machine's secret; a file that is missing may come later. */
  constructor(options: StaticPoolOptions) {
    const { machines, hostType, name } = options;
    for (const machine of machines) {
      const files = [machine.keyPairFile, machine.passwordFile].filter(
        (file) => file !== undefined,
      );
      if (files.length > 0 && files.every(existsSync)) secretsOf(machine);
    }
    this.#options = options;
    this.name = name;
    this.hostType = hostType;
    this.unavailable = new UnavailableMachines(hostType, options.log);
    this.#machines = new Map(machines.map((machine) => [machine.address, machine]));
    for (const id of this.#machines.keys()) this.#states.set(id, 'free');
  }

  get capacity(): number {
    const { isDrained } = this.#options;
    const isUsable = (state: State, id: string) =>
      state === 'busy' ||
      (state === 'free' && !isDrained(id)) ||
      (state === 'kept' && this.unavailable.get(id) === undefined);
    return [...this.#states].filter(([id, state]) => isUsable(state, id)).length;
  }

  get labels(): Labels | undefined {
    return this.#options.labels;
  }

  get members(): readonly Member[] {
    return [...this.#states].map(([id, state]) => ({
      ...{ id, name: id, labels: this.#machines.get(id)?.labels },
      isFree: state === 'free' && !this.#options.isDrained(id),
      isUp: this.unavailable.get(id) === undefined,
      isKept: state === 'kept',
    }));
  }

  get size(): number {
    return this.#options.machines.length;
  }

  /** New machines can be lent at once. One that is gone from the configuration is not lent again. */
  reconfigure(config: PoolConfig): void {
    if (config.kind !== 'static') return;
    const { machines, resetCommand, labels } = config;
    this.#options = { ...this.#options, machines, resetCommand, labels };
    for (const machine of machines) {
      this.#machines.set(machine.address, machine);
      if (!this.#states.has(machine.address)) this.#states.set(machine.address, 'free');
    }
    for (const [id, state] of [...this.#states]) {
      if (state !== 'busy' && state !== 'kept') this.#forgetIfLeft(id);
    }
  }

  /** Forgets a machine that the configuration no longer has; whether it did. */
  #forgetIfLeft(id: string): boolean {
    if (this.#options.machines.some(({ address }) => address === id)) return false;
    this.#machines.delete(id);
    this.#states.delete(id);
    this.unavailable.remove(id);
    return true;
  }

  /** Returns the first free machine that answers and can be emptied. */
  async acquire(call: AcquireCall): Promise<string> {
    for (const { id } of freeWith(call.wanted, this.members)) {
      if (this.#states.get(id) !== 'free') continue;
      this.#states.set(id, 'busy');
      call.onProgress(`asking ${id}`);
      const fault = await this.#faultOf(id, call.signal).catch((error: unknown) => {
        // It was this coordinator's own trouble.
        this.#states.set(id, 'free');
        throw error;
      });
      if (fault === undefined) return id;
      this.#retire(id, fault);
    }
    throw new GomoteError(
      'ERR_NO_CAPACITY',
      `no machine of ${this.hostType} is up: ${this.unavailable.text}`,
    );
  }

  /** A machine that cannot be cleaned now is cleaned before it is lent again. */
  async release(id: string, call: PoolCall): Promise<void> {
    // A machine that has left the configuration is not managed any more.
    if (this.#states.get(id) !== 'busy' || this.#forgetIfLeft(id)) return;
    const fault = await this.#faultOf(id, call.signal);
    if (fault === undefined) this.#free(id);
    else this.#retire(id, fault);
  }

  /** The last to become free is the last to be lent. */
  #free(id: string): void {
    this.#states.delete(id);
    this.#states.set(id, 'free');
  }

  /** Takes the machine out of service; it is tried again until it answers and is clean. */
  #retire(id: string, { what, reason }: Fault, retryMs = firstRetryMs): void {
    this.#states.set(id, 'unavailable');
    this.unavailable.add(id, what, reason);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#retry(id, retryMs);
    }, retryMs).unref();
    this.#timers.add(timer);
  }

  async #retry(id: string, retryMs: number): Promise<void> {
    if (this.#forgetIfLeft(id)) return;
    const longestMs = Math.max(firstRetryMs, this.#options.probeIntervalMs);
    try {
      const fault = await this.#faultOf(id, this.#closed.signal);
      if (fault !== undefined) return this.#retire(id, fault, Math.min(retryMs * 2, longestMs));
      this.unavailable.remove(id);
      this.#free(id);
      this.onCapacity();
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      this.#retire(id, { what: 'down', reason: messageOf(error) }, longestMs);
    }
  }

  /** Asks the machines that no session has, one after the other within most of the interval. */
  async #probe(): Promise<void> {
    const idle = [...this.#states.keys()].filter((id) => this.#isIdle(id));
    for (const id of idle) {
      void this.#probeOne(id);
      await pause((this.#options.probeIntervalMs * 0.8) / idle.length, this.#closed.signal);
    }
  }

  #isIdle(id: string): boolean {
    const state = this.#states.get(id);
    return state === 'free' || state === 'kept';
  }

  async #probeOne(id: string): Promise<void> {
    if (!this.#isIdle(id)) return;
    const call = { isCleaned: false };
    const answer = this.#faultOf(id, this.#closed.signal, call);
    const fault = await answer.catch(() => 'unknown' as const);
    if (fault === 'unknown' || !this.#isIdle(id)) return;
    const isKept = this.#states.get(id) === 'kept';
    if (isKept && fault === undefined) this.unavailable.remove(id);
    if (isKept && fault !== undefined) this.unavailable.add(id, fault.what, fault.reason);
    if (!isKept && fault !== undefined) this.#retire(id, fault);
    if (isKept || fault !== undefined) this.onCapacity();
  }

  /**
   * What keeps the machine from being lent, after its processes were ended and it was emptied. Fails when cancelled, and
   * for want of something here, which says nothing of the machine.
   */
  async #faultOf(
    id: string,
    signal: AbortSignal,
    { isCleaned = true } = {},
  ): Promise<Fault | undefined> {
    let what: FaultKind = 'down';
    try {
      const client = await this.connect(id);
      try {
        const answer = anySignal(signal, timeoutSignal(answerTimeoutMs));
        const { version } = await client.status({ signal: answer });
        if (version < 1) throw new GomoteError('ERR_REPLY', `it has protocol version ${version}`);
        what = 'unclean';
        if (isCleaned) await clean(client, this.#options.resetCommand, signal);
        return undefined;
      } finally {
        await client.disconnect();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isOwnShortage(error)) throw error;
      return { what, reason: messageOf(error) };
    }
  }

  async connect(id: string): Promise<BuildletClient> {
    const machine = this.#machines.get(id);
    if (machine === undefined) {
      throw new GomoteError(
        'ERR_UNKNOWN_BUILDLET',
        `machine ${id} is not in the configuration any more`,
      );
    }
    return clientOf(machine);
  }

  async reconcile(
    held: ReadonlySet<string>,
    { leavesOthers, kept }: ReconcileCall,
  ): Promise<ReadonlySet<string>> {
    const wanted = leavesOthers ? this.#states.keys() : held;
    const there = [...wanted].filter((id) => this.#machines.has(id));
    const isHeld = (id: string) => held.has(id) && !kept.has(id);
    for (const id of there) this.#states.set(id, isHeld(id) ? 'busy' : 'kept');
    void this.#probe();
    this.#probing = setInterval(() => void this.#probe(), this.#options.probeIntervalMs).unref();
    return new Set(there);
  }

  async close(): Promise<void> {
    this.#closed.abort(new GomoteError('ERR_CLOSED', 'the coordinator is ending'));
    clearInterval(this.#probing);
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
