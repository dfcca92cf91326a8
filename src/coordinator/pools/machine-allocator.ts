// Hands out the machines of one pool: never more than it has, to each user in turn, some of them created ahead.
import { setMaxListeners } from 'node:events';
import { GomoteError, messageOf } from '../../errors.ts';
import { anySignal } from '../../timeout-signal.ts';
import { FairQueue } from './fair-queue.ts';
import type { AcquireCall, Pool } from './pool.ts';
import { RecentNames } from './recent-names.ts';
import { pause, retry } from './retry.ts';

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

interface WaitingView {
  readonly owner: string;
  readonly sinceMs: number;
  readonly ahead: number;
}

interface Request extends AcquireCall {
  readonly owner: string;
  readonly sinceMs: number;
  /** The last position that was reported. */
  shownAhead: number | undefined;
  readonly grant: (id: string | Promise<string>) => void;
  readonly refuse: (error: unknown) => void;
}

const longestRetryMs = 60_000;

/** How long a machine that was taken back is remembered, in ms: longer than a list of machines takes. */
const rememberMs = 300_000;

export class MachineAllocator {
  readonly pool: Pool;
  readonly #options: MachineAllocatorOptions;
  readonly #queue = new FairQueue<Request>();
  readonly #lent = new Set<string>();
  readonly #releasing = new Map<string, Promise<boolean>>();
  /** Those that were taken back: a list of what is there may be older. */
  readonly #returned = new RecentNames(rememberMs);
  readonly #warm: string[] = [];
  readonly #closed = new AbortController();
  #acquiring = 0;
  #warming = 0;
  /** Under way after a machine could not be made ahead. */
  #warmPause: Promise<void> | undefined;
  #warmRetryMs: number | undefined;
  #isOpen = false;
  /** What failed last. */
  #trouble = 'it is starting';

  constructor(pool: Pool, options: MachineAllocatorOptions) {
    this.pool = pool;
    this.#options = options;
    // As many listen as there are machines being made or taken back.
    setMaxListeners(0, this.#closed.signal);
    pool.onCapacity = () => this.#grant();
    pool.onLost = (id, reason) => this.#lost(id, reason);
  }

  get #firstRetryMs(): number {
    return this.#options.retryMs ?? 1_000;
  }

  get lent(): number {
    return this.#lent.size + this.#acquiring + this.#releasing.size;
  }

  get warm(): number {
    return this.#warm.length;
  }

  /** Why it hands out no machines; undefined while it does. */
  get trouble(): string | undefined {
    return this.#isOpen ? undefined : this.#trouble;
  }

  get waiting(): WaitingView[] {
    return this.#queue.inOrder().map(({ owner, sinceMs }, ahead) => ({ owner, sinceMs, ahead }));
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

  /** Hands out a machine, when it is the owner's turn and there is one; cancelled, nothing is left behind. */
  async allocate(owner: string, call: AcquireCall): Promise<string> {
    call.signal.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const leave = () => {
        if (this.#queue.remove(request)) request.refuse(call.signal.reason);
        this.#tellPositions();
      };
      const request: Request = {
        ...call,
        owner,
        sinceMs: Date.now(),
        shownAhead: undefined,
        grant: (id) => {
          call.signal.removeEventListener('abort', leave);
          resolve(id);
        },
        refuse: reject,
      };
      call.signal.addEventListener('abort', leave, { once: true });
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
    return isHere || this.#warm.includes(id);
  }

  /** Counts a machine that another coordinator has handed out. */
  adopt(id: string): void {
    this.#lent.add(id);
  }

  /** Forgets a machine that is gone, or that this coordinator no longer manages. */
  disown(id: string): void {
    this.#lent.delete(id);
    this.#returned.add(id);
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
    const at = this.#warm.indexOf(id);
    if (at < 0) {
      this.#options.onLost(id, reason);
    } else {
      this.#warm.splice(at, 1);
      void this.giveBack(id);
    }
  }

  get #hasRoom(): boolean {
    return this.lent + this.#warm.length + this.#warming < this.pool.capacity;
  }

  /** Grants free machines to requests that wait, then makes some ahead. */
  #grant(): void {
    if (this.#isOpen) {
      while (this.#queue.size > 0 && (this.#warm.length > 0 || this.#hasRoom)) this.#grantNext();
      const { warm } = this.#options;
      while (
        this.#warmPause === undefined &&
        this.#warm.length + this.#warming < warm &&
        this.#hasRoom
      ) {
        void this.#makeAhead();
      }
    }
    this.#tellPositions();
  }

  #grantNext(): void {
    const request = this.#queue.next();
    if (request === undefined) return;
    const ready = this.#warm.shift();
    if (ready !== undefined) this.#lent.add(ready);
    request.grant(ready ?? this.#acquire(request));
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

  /** Makes one ahead. After a failure it pauses, so that requests that wait get the room. */
  async #makeAhead(): Promise<void> {
    const { signal } = this.#closed;
    this.#warming++;
    try {
      this.#warm.push(await this.pool.acquire({ signal, onProgress: () => undefined }));
      this.#warmRetryMs = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.#options.onTrouble(
        `making a machine of ${this.pool.hostType} ahead: ${messageOf(error)}`,
        error,
      );
      this.#warmRetryMs = Math.min(
        (this.#warmRetryMs ?? this.#firstRetryMs / 2) * 2,
        longestRetryMs,
      );
      this.#warmPause ??= pause(this.#warmRetryMs, signal).then(() => {
        this.#warmPause = undefined;
        this.#grant();
      });
    } finally {
      this.#warming--;
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
