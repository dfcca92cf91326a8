// Allocates the machines of one pool, within its capacity, with some of them created ahead.
import { setMaxListeners } from 'node:events';
import { GomoteError, messageOf } from '../../errors.ts';
import { hasLabels, type Labels } from '../../protocol/labels.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { PoolConfig } from '../pool-config.ts';
import { Demand } from './demand.ts';
import { fewestLabelsFirst } from './members.ts';
import type { AcquireCall, Pool, ReconcileCall } from './pool.ts';
import { ReadyMachines } from './ready-machines.ts';
import { RecentNames } from './recent-names.ts';
import { retry } from './retry.ts';

/** How many machines are created ahead. */
export type Scaling = Pick<PoolConfig, 'warm' | 'minimum' | 'keepMs'>;

interface MachineAllocatorOptions {
  readonly scaling: Scaling;
  /** Called with errors of background work. */
  readonly onTrouble: (what: string, error: unknown) => void;
  /** Called when a machine in use is permanently lost. */
  readonly onLost: (id: string, reason: string) => void;
  /** The interval of health checks of ready machines, in ms. */
  readonly lookMs?: number;
  /** The initial delay before a failed release or start is retried, in ms; it doubles up to a minute. */
  readonly retryMs?: number;
}

const longestRetryMs = 60_000;

/** The interval of keep-alives, in ms: shorter than the platform's idle time-out. */
const defaultLookMs = 60_000;

/** How long a released machine is remembered, in ms: longer than listing machines takes. */
const rememberMs = 300_000;

/** Machines of the same labels that could be had. */
export interface FreeMachines {
  readonly labels: Labels | undefined;
  count: number;
}

export class MachineAllocator {
  readonly pool: Pool;
  /** Set by the queue. Called when machines may have become free, and when others can see a change. */
  onFree = (): void => undefined;
  readonly #options: MachineAllocatorOptions;
  readonly #lent = new Set<string>();
  /** Of a pool without members. */
  #kept: readonly string[] = [];
  readonly #releasing = new Map<string, Promise<boolean>>();
  /** Released machines: a list from the platform may be older. */
  readonly #returned = new RecentNames(rememberMs);
  readonly #ready: ReadyMachines;
  readonly #closed = new AbortController();
  readonly #firstRetryMs: number;
  #scaling: Scaling;
  readonly #demand: Demand;
  #scaleDown: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #acquiring = 0;
  #isOpen = false;
  /** What failed last. */
  #trouble = 'it is starting';

  constructor(pool: Pool, options: MachineAllocatorOptions) {
    this.pool = pool;
    this.#options = options;
    const { signal } = this.#closed;
    // One listener for each machine that is being created or released.
    setMaxListeners(0, signal);
    const { onTrouble, scaling, retryMs: firstRetryMs = 1_000 } = options;
    this.#scaling = scaling;
    this.#demand = new Demand(scaling.keepMs);
    this.#firstRetryMs = firstRetryMs;
    const onChange = () => this.onFree();
    this.#ready = new ReadyMachines({
      ...{ pool, signal, firstRetryMs, longestRetryMs, onTrouble, onChange },
      onDead: (id) => void this.giveBack(id),
    });
    pool.onCapacity = onChange;
    pool.onLost = (id, reason) => this.#lost(id, reason);
  }

  get lent(): number {
    const kept = this.pool.members?.filter(({ isKept, isUp }) => isKept && isUp) ?? this.kept;
    return this.#lent.size + this.#acquiring + this.#releasing.size + kept.length;
  }

  /** Machines that no session has, and that are not lent anyway. */
  get kept(): readonly string[] {
    return this.pool.members?.filter(({ isKept }) => isKept).map(({ id }) => id) ?? this.#kept;
  }

  /** Machines that are ready ahead. */
  get ready(): readonly string[] {
    return this.#ready.ids;
  }

  get warm(): number {
    return this.#ready.count;
  }

  /** Why it cannot provide machines; undefined while it can. */
  get trouble(): string | undefined {
    return this.#isOpen ? undefined : this.#trouble;
  }

  /** Ends what is neither held nor kept, and begins to allocate; resolves with those of both that are still there. */
  async open(
    held: ReadonlySet<string>,
    call: Partial<Omit<ReconcileCall, 'signal'>> = {},
  ): Promise<ReadonlySet<string>> {
    const { kept = new Set(), leavesOthers = false, named = held } = call;
    for (const id of held) this.#lent.add(id);
    const all = new Set([...held, ...kept]);
    const there = await this.#retry(`start of the pool ${this.pool.name}`, (signal) =>
      this.pool.reconcile(all, { signal, kept, leavesOthers, named }),
    );
    this.#kept = [...(there ?? kept)].filter((id) => !held.has(id));
    this.#isOpen = true;
    this.onFree();
    return there ?? held;
  }

  /** What can be had at once, or made: of a pool, the machine with the fewest labels first. */
  get free(): FreeMachines[] {
    if (!this.#isOpen) return [];
    const { members, labels } = this.pool;
    const ready = this.#ready.ids.map((id) => ({ labels: this.labelsOf(id), count: 1 }));
    const others =
      members === undefined
        ? [{ labels, count: Math.max(0, this.#room) }]
        : members.filter(({ isFree }) => isFree).map((one) => ({ labels: one.labels, count: 1 }));
    return fewestLabelsFirst([...ready, ...others]);
  }

  labelsOf(id: string): Labels | undefined {
    const { members, labels } = this.pool;
    return members?.find((member) => member.id === id)?.labels ?? labels;
  }

  /** Releases a machine, however often that must be tried. False: the allocator was closed before. */
  async giveBack(id: string): Promise<boolean> {
    this.#lent.delete(id);
    const running = this.#releasing.get(id) ?? this.#release(id);
    this.#releasing.set(id, running);
    return await running;
  }

  async #release(id: string): Promise<boolean> {
    const isDone = await this.#retry(`taking back ${id}`, async (signal) => {
      await this.pool.release(id, { signal });
      return true;
    });
    this.#returned.add(id);
    this.#releasing.delete(id);
    this.onFree();
    return isDone === true;
  }

  /** Whether the machine belongs to this allocator, or did recently. */
  knows(id: string): boolean {
    const sets = [this.#lent, this.#releasing, this.#returned, this.#ready, new Set(this.#kept)];
    return sets.some((set) => set.has(id));
  }

  /** Counts a machine that another coordinator has handed out. */
  adopt(id: string): void {
    this.#lent.add(id);
  }

  /** Takes back ready machines that are not to be lent any more. */
  recall(isMeant: (id: string) => boolean): void {
    for (const id of this.#ready.ids.filter(isMeant)) {
      if (this.#ready.remove(id)) void this.giveBack(id);
    }
    this.onFree();
  }

  /** Forgets a machine that is gone, or that this coordinator no longer manages. */
  disown(id: string): void {
    this.#lent.delete(id);
    this.#returned.add(id);
    this.onFree();
  }

  /** Keeps as many machines ready from here on. */
  rescale(scaling: Scaling): void {
    this.#scaling = scaling;
    this.#demand.keepMs = scaling.keepMs;
    this.makeAhead();
    this.onFree();
  }

  /** Stops allocating; creations in progress are finished, and ready machines stay ready. */
  stop(): void {
    this.#isOpen = false;
  }

  /** Stops allocating, and keeps no machines ready. */
  retire(): void {
    this.stop();
    // Also what is being made.
    this.onFree = () => {
      for (const id of this.#ready.setWanted(0)) void this.giveBack(id);
    };
    this.onFree();
  }

  /** Stops handing out machines; those in use stay so, and what was ready goes at the next start. */
  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#scaleDown);
    clearInterval(this.#look);
    this.#closed.abort(new GomoteError('ERR_CLOSED', 'the coordinator is ending'));
    await this.pool.close();
  }

  #lost(id: string, reason: string): void {
    if (this.#ready.remove(id)) void this.giveBack(id);
    else this.#options.onLost(id, reason);
  }

  /** How many more machines can be lent or made ahead. */
  get #room(): number {
    const { members, capacity } = this.pool;
    if (members !== undefined) return members.filter(({ isFree }) => isFree).length;
    return capacity - this.lent - this.#ready.total;
  }

  /** Makes machines ahead where there is room, and gives those back that are too many. */
  makeAhead(): void {
    if (!this.#isOpen) return;
    const wanted = this.#wanted();
    if (wanted > 0) this.#lookAfterReady();
    for (const id of this.#ready.setWanted(wanted)) void this.giveBack(id);
    while (this.#ready.isWanted && this.#room > 0) void this.#ready.make();
  }

  #lookAfterReady(): void {
    const { lookMs = defaultLookMs } = this.#options;
    this.#look ??= setInterval(() => void this.#ready.look(), lookMs).unref();
  }

  /** How many are to be ready now. */
  #wanted(): number {
    if (this.pool.isPersonal) return 0;
    const { warm, minimum } = this.#scaling;
    const nowMs = performance.now();
    const used = this.#lent.size + this.#acquiring;
    this.#demand.note(used, nowMs);
    const wanted = Math.max(warm, minimum - used, this.#demand.peak(nowMs) - used);
    clearTimeout(this.#scaleDown);
    const changesInMs = this.#demand.changesIn(nowMs);
    if (changesInMs !== undefined) {
      this.#scaleDown = setTimeout(() => this.onFree(), changesInMs + 1).unref();
    }
    return wanted;
  }

  /** Allocates a ready machine, or creates one. Only called within the capacity. */
  async take(call: AcquireCall): Promise<string> {
    const isMeant = (id: string) =>
      call.image === undefined && hasLabels(this.labelsOf(id), call.wanted);
    const ready = this.#ready.take(isMeant);
    if (ready === undefined) return await this.#acquire(call);
    this.#lent.add(ready);
    return ready;
  }

  async #acquire(call: AcquireCall): Promise<string> {
    // One that is ready has another image: it makes room.
    const other = call.image && this.#room <= 0 ? this.#ready.take(() => true) : undefined;
    this.#acquiring++;
    try {
      if (other !== undefined) await this.giveBack(other);
      const signal = anySignal(call.signal, this.#closed.signal);
      const id = await this.pool.acquire({ ...call, signal });
      this.#lent.add(id);
      return id;
    } finally {
      this.#acquiring--;
      this.onFree();
    }
  }

  /** Does the work until it succeeds; undefined when the allocator was closed first. */
  async #retry<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    return await retry(work, {
      signal: this.#closed.signal,
      firstWaitMs: this.#firstRetryMs,
      longestWaitMs: longestRetryMs,
      onFailure: (error) => {
        this.#trouble = messageOf(error);
        this.#options.onTrouble(`${what}: ${messageOf(error)}`, error);
      },
    });
  }
}
