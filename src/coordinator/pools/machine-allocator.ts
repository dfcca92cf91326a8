// Hands out the machines of one pool: never more than it has, to each user in turn, some of them created ahead.
import { setMaxListeners } from 'node:events';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { anySignal } from '../../timeout-signal.ts';
import { FairQueue } from './fair-queue.ts';
import type { AcquireCall, Pool } from './pool.ts';
import { ReadyMachines } from './ready-machines.ts';
import { RecentNames } from './recent-names.ts';
import {
  hasMachinesUp,
  type MachineRequest,
  refuseImpossible,
  type WaitingView,
} from './request.ts';
import { retry } from './retry.ts';

interface MachineAllocatorOptions {
  /** How many machines to keep ready ahead. */
  readonly warm: number;
  /** Called with errors of background work. */
  readonly onTrouble: (what: string, error: unknown) => void;
  /** Called when the view has changed. */
  readonly onChange: () => void;
  /** Called when a machine in use is gone for good. */
  readonly onLost: (id: string, reason: string) => void;
  /** The first wait before a failed release or start is tried again, in ms; it doubles up to a minute. */
  readonly retryMs?: number;
}

const longestRetryMs = 60_000;

/** How long a machine that was taken back is remembered, in ms: longer than a list of machines takes. */
const rememberMs = 300_000;

export class MachineAllocator {
  readonly pool: Pool;
  readonly #options: MachineAllocatorOptions;
  readonly #queue = new FairQueue<MachineRequest>();
  readonly #lent = new Set<string>();
  readonly #releasing = new Map<string, Promise<boolean>>();
  /** Those that were taken back: a list of what is there may be older. */
  readonly #returned = new RecentNames(rememberMs);
  readonly #ready: ReadyMachines;
  readonly #closed = new AbortController();
  readonly #firstRetryMs: number;
  #acquiring = 0;
  #isOpen = false;
  /** What failed last. */
  #trouble = 'it is starting';

  constructor(pool: Pool, options: MachineAllocatorOptions) {
    this.pool = pool;
    this.#options = options;
    const { signal } = this.#closed;
    // As many listen as there are machines being made or taken back.
    setMaxListeners(0, signal);
    const { onTrouble, warm, retryMs: firstRetryMs = 1_000 } = options;
    this.#firstRetryMs = firstRetryMs;
    const onChange = () => this.#grant();
    this.#ready = new ReadyMachines({
      ...{ pool, wanted: warm, signal, firstRetryMs, longestRetryMs, onTrouble, onChange },
    });
    pool.onCapacity = onChange;
    pool.onLost = (id, reason) => this.#lost(id, reason);
  }

  get lent(): number {
    return this.#lent.size + this.#acquiring + this.#releasing.size;
  }

  /** Machines that are ready ahead. */
  get ready(): readonly string[] {
    return this.#ready.ids;
  }

  get warm(): number {
    return this.#ready.count;
  }

  /** Why it hands out no machines; undefined while it does. */
  get trouble(): string | undefined {
    return this.#isOpen ? undefined : this.#trouble;
  }

  get waiting(): WaitingView[] {
    return this.#queue
      .inOrder()
      .map(({ owner, count, sinceMs }, ahead) => ({ owner, count, sinceMs, ahead }));
  }

  /**
   * Ends what nobody holds, unless it is to be left, and begins to allocate; resolves with those of the held that are
   * still there.
   */
  async open(
    held: ReadonlySet<string>,
    { leavesOthers = false } = {},
  ): Promise<ReadonlySet<string>> {
    for (const id of held) this.#lent.add(id);
    const there = await this.#retry(`start of the pool of ${this.pool.hostType}`, (signal) =>
      this.pool.reconcile(held, { signal, leavesOthers }),
    );
    if (leavesOthers) for (const id of there ?? []) this.#lent.add(id);
    this.#isOpen = true;
    this.#grant();
    return there ?? held;
  }

  /**
   * Hands out machines, all at once, when it is the owner's turn and there are as many; cancelled, nothing is left
   * behind. Throws ERR_NO_CAPACITY where there will never be as many, and while no machine of the pool is up.
   */
  async allocate(owner: string, count: number, call: AcquireCall): Promise<string[]> {
    call.signal.throwIfAborted();
    refuseImpossible(this.pool, count);
    return await new Promise((resolve, reject) => {
      const leave = () => {
        if (this.#queue.remove(request)) request.refuse(call.signal.reason);
        this.#grant();
      };
      const request: MachineRequest = {
        ...call,
        ...{ owner, count, sinceMs: Date.now(), shownAhead: undefined },
        grant: (ids) => {
          call.signal.removeEventListener('abort', leave);
          resolve(ids);
        },
        refuse: (error) => {
          call.signal.removeEventListener('abort', leave);
          reject(error);
        },
      };
      call.signal.addEventListener('abort', leave);
      this.#queue.push(request);
      this.#grant();
    });
  }

  /**
   * Takes a machine back; resolves when it is clean or gone, or with false when the allocator was closed before. It is
   * tried until it succeeds.
   */
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
    this.#grant();
    return isDone === true;
  }

  /** Whether the machine is one of this allocator's, or was just now. */
  knows(id: string): boolean {
    const isHere = this.#lent.has(id) || this.#releasing.has(id) || this.#returned.has(id);
    return isHere || this.#ready.has(id);
  }

  /** Counts a machine that another coordinator has handed out. */
  adopt(id: string): void {
    this.#lent.add(id);
  }

  /** Takes back those of the machines kept ready that are not to be lent any more. */
  recall(isMeant: (id: string) => boolean): void {
    for (const id of this.#ready.ids.filter(isMeant)) {
      if (this.#ready.remove(id)) void this.giveBack(id);
    }
    this.#grant();
  }

  /** Forgets a machine that is gone, or that this coordinator no longer manages. */
  disown(id: string): void {
    this.#lent.delete(id);
    this.#returned.add(id);
    this.#grant();
  }

  /** Keeps so many machines ready from here on. */
  keepReady(count: number): void {
    for (const id of this.#ready.setWanted(count)) void this.giveBack(id);
    this.#grant();
  }

  /** Turns away all who wait; what is being made is finished. */
  turnAway(): void {
    this.#isOpen = false;
    for (const request of this.#queue.inOrder()) {
      this.#queue.remove(request);
      request.refuse(new GomoteError('ERR_CLOSED', 'the coordinator is restarting'));
    }
  }

  /** Stops handing out machines; those in use stay so, and what was ready goes at the next start. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#closed.abort(new GomoteError('ERR_CLOSED', 'the coordinator is ending'));
    await this.pool.close();
  }

  #lost(id: string, reason: string): void {
    if (this.#ready.remove(id)) void this.giveBack(id);
    else this.#options.onLost(id, reason);
  }

  /** How many more machines can be lent or made ahead. */
  get #room(): number {
    return this.pool.capacity - this.lent - this.#ready.total;
  }

  /** Grants free machines to requests that wait, then makes some ahead. Who wants several holds up those behind. */
  #grant(): void {
    if (this.#isOpen) {
      for (;;) {
        const { head } = this.#queue;
        if (head === undefined || head.count > this.#ready.count + Math.max(0, this.#room)) break;
        this.#queue.next();
        void this.#serve(head);
      }
      while (this.#ready.isWanted && this.#room > 0) void this.#ready.make();
    }
    this.#tellPositions();
  }

  /** Gives the request its machines. When some that seemed free are not, it waits on, before all others. */
  async #serve(request: MachineRequest): Promise<void> {
    const failed = new AbortController();
    const results = await Promise.allSettled(
      Array.from({ length: request.count }, async () => {
        // Each has a signal of its own: Node warns when one signal has many listeners.
        const signal = anySignal(request.signal, failed.signal);
        try {
          return await this.#take({ ...request, signal });
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }),
    );
    const ids = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    if (ids.length === request.count) return request.grant(ids);
    for (const id of ids) void this.giveBack(id);
    const { reason } = failed.signal;
    const waitsOn = isGomoteError(reason, 'ERR_NO_CAPACITY') && hasMachinesUp(this.pool);
    if (!waitsOn || !this.#isOpen || request.signal.aborted) return request.refuse(reason);
    this.#queue.putBack(request);
    this.#grant();
  }

  async #take(call: AcquireCall): Promise<string> {
    const ready = this.#ready.take();
    if (ready === undefined) return await this.#acquire(call);
    this.#lent.add(ready);
    return ready;
  }

  async #acquire(call: AcquireCall): Promise<string> {
    this.#acquiring++;
    try {
      const signal = anySignal(call.signal, this.#closed.signal);
      const id = await this.pool.acquire({ ...call, signal });
      this.#lent.add(id);
      return id;
    } finally {
      this.#acquiring--;
      this.#grant();
    }
  }

  #tellPositions(): void {
    for (const [ahead, request] of this.#queue.inOrder().entries()) {
      if (request.shownAhead === ahead) continue;
      request.shownAhead = ahead;
      request.onProgress(`${ahead} ahead of you`);
    }
    this.#options.onChange();
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
