// Who waits for machines of one host type, and which machine of its pools each gets.
import { GomoteError, isGomoteError } from '../../errors.ts';
import { hasLabels } from '../../protocol/labels.ts';
import { priorities } from '../../protocol/priority.ts';
import { anySignal } from '../../timeout-signal.ts';
import { FairQueue } from './fair-queue.ts';
import type { FreeMachines, MachineAllocator } from './machine-allocator.ts';
import type { AcquireCall, Pool } from './pool.ts';
import {
  canUse,
  hasMachinesUp,
  type LentMachine,
  type MachineRequest,
  refuseUnsatisfiable,
  type WaitingView,
} from './request.ts';

export interface AllocateCall extends AcquireCall {
  /** How many: all at once, or none. */
  readonly count: number;
  /** The higher, the earlier, as in protocol/priority.ts. */
  readonly priority: number;
}

/** After how much waiting a request counts as one of the next priority, in ms: none waits for ever behind others. */
const ageingMs = 600_000;

type Offer = FreeMachines & { readonly allocator: MachineAllocator };

export class MachineQueue {
  readonly hostType: string;
  /** In the order in which they are asked. */
  allocators: readonly MachineAllocator[] = [];
  readonly #queue = new FairQueue<MachineRequest>();
  readonly #onChange: () => void;
  #isClosed = false;

  /** @param onChange Called when what is seen of it has changed. */
  constructor(hostType: string, onChange: () => void) {
    this.hostType = hostType;
    this.#onChange = onChange;
  }

  /** Takes machines of these pools from here on. Who waits for what none of them can have is refused. */
  setAllocators(allocators: readonly MachineAllocator[]): void {
    this.allocators = allocators;
    for (const allocator of allocators) allocator.onFree = () => this.#grant();
    for (const request of this.#queue.inOrder()) {
      try {
        this.refuseUnsatisfiable(request);
      } catch (error) {
        this.#queue.remove(request);
        request.refuse(error);
      }
    }
    this.#grant();
  }

  get waiting(): WaitingView[] {
    return this.#queue.inOrder().map(({ owner, count, sinceMs, priority }, ahead) => ({
      owner,
      count,
      sinceMs,
      priority,
      ahead,
    }));
  }

  /**
   * Hands out machines, all at once, when it is the owner's turn and there are as many; cancelled, nothing is left
   * behind. Throws ERR_NO_CAPACITY where there will never be as many, and while none that would do is up.
   */
  async allocate(owner: string, call: AllocateCall): Promise<LentMachine[]> {
    call.signal.throwIfAborted();
    this.refuseUnsatisfiable(call);
    const startedAtMs = performance.now();
    return await new Promise((resolve, reject) => {
      const leave = () => {
        if (this.#queue.remove(request)) request.refuse(call.signal.reason);
        this.#grant();
      };
      const request: MachineRequest = {
        ...call,
        ...{ owner, sinceMs: Date.now(), shownAhead: undefined, avoided: new Set<Pool>() },
        get priority() {
          return agedPriority(call.priority, performance.now() - startedAtMs);
        },
        grant: (machines) => {
          call.signal.removeEventListener('abort', leave);
          resolve(machines);
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

  /** Throws ERR_NO_CAPACITY for what can never be had, and while nothing that would do is up. */
  refuseUnsatisfiable(call: Pick<AllocateCall, 'count' | 'wanted' | 'image'>): void {
    const pools = this.allocators.map(({ pool }) => pool);
    refuseUnsatisfiable(this.hostType, pools, call);
  }

  /** Turns away all who wait; what is being made is finished. */
  close(): void {
    this.#isClosed = true;
    for (const request of this.#queue.inOrder()) {
      this.#queue.remove(request);
      request.refuse(new GomoteError('ERR_CLOSED', 'the coordinator is restarting'));
    }
  }

  /** Grants free machines to requests that wait, then makes some ahead. */
  #grant(): void {
    const offers = this.allocators.flatMap((allocator) =>
      allocator.free.map((free): Offer => ({ ...free, allocator })),
    );
    for (const request of this.#isClosed ? [] : this.#queue.inOrder()) {
      // Who wants more than there is keeps what there is from those behind.
      const chosen = choose(offers, request);
      if (chosen.length < request.count) continue;
      this.#queue.take(request);
      void this.#serve(request, chosen);
    }
    for (const allocator of this.allocators) allocator.makeAhead();
    this.#tellPositions();
  }

  /** Gives the request its machines. When some that seemed free are not, it waits on, before all others. */
  async #serve(request: MachineRequest, chosen: readonly MachineAllocator[]): Promise<void> {
    const failed = new AbortController();
    const results = await Promise.allSettled(
      chosen.map(async (allocator): Promise<LentMachine> => {
        // Separate signals: Node warns about many listeners on one signal.
        const signal = anySignal(request.signal, failed.signal);
        try {
          return { pool: allocator.pool.name, id: await allocator.take({ ...request, signal }) };
        } catch (error) {
          if (allocator.pool.unavailable === undefined) request.avoided.add(allocator.pool);
          failed.abort(error);
          throw error;
        }
      }),
    );
    const machines = results.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (machines.length === request.count) return request.grant(machines);
    for (const { pool, id } of machines) {
      void chosen.find((one) => one.pool.name === pool)?.giveBack(id);
    }
    const { reason } = failed.signal;
    const mayHave = ({ pool }: MachineAllocator) =>
      !request.avoided.has(pool) &&
      canUse(pool, request.image) &&
      hasMachinesUp(pool, request.wanted);
    const waitsOn = isGomoteError(reason, 'ERR_NO_CAPACITY') && this.allocators.some(mayHave);
    if (!waitsOn || this.#isClosed || request.signal.aborted) return request.refuse(reason);
    this.#queue.putBack(request);
    this.#grant();
  }

  #tellPositions(): void {
    for (const [ahead, request] of this.#queue.inOrder().entries()) {
      if (request.shownAhead === ahead) continue;
      request.shownAhead = ahead;
      request.onProgress(`${ahead} ahead of you`);
    }
    this.#onChange();
  }
}

export const agedPriority = (priority: number, waitedMs: number): number =>
  Math.min(priorities.length - 1, priority + Math.floor(waitedMs / ageingMs));

/** Takes out of the offers what the request needs, or all that it could have; where from, once for each machine. */
function choose(
  offers: Offer[],
  { count, wanted, avoided, image }: MachineRequest,
): MachineAllocator[] {
  const chosen: MachineAllocator[] = [];
  for (const offer of offers) {
    if (chosen.length === count) break;
    const { pool } = offer.allocator;
    if (avoided.has(pool) || !canUse(pool, image) || !hasLabels(offer.labels, wanted)) continue;
    const taken = Math.min(offer.count, count - chosen.length);
    offer.count -= taken;
    for (let n = 0; n < taken; n++) chosen.push(offer.allocator);
  }
  return chosen;
}
