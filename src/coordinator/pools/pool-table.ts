// The pools of a coordinator, by their names, and a queue for each host type; they may change while it runs.
import type { Catalogue } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { PoolConfig } from '../pool-config.ts';
import { MachineAllocator } from './machine-allocator.ts';
import { MachineQueue } from './machine-queue.ts';
import type { OpenedPool } from './open-pools.ts';

interface PoolTableOptions {
  readonly onTrouble: (what: string) => void;
  readonly onChange: () => void;
  readonly onLost: (pool: string, id: string, reason: string) => void;
}

export interface PoolTableChange {
  readonly catalogue: Catalogue;
  readonly added: readonly OpenedPool[];
  /** Of the same machines, with other settings. */
  readonly changed: readonly PoolConfig[];
  readonly removed: readonly PoolConfig[];
  /** The names of all pools, in the order of the configuration. */
  readonly order: readonly string[];
}

export class PoolTable {
  /** By the names of their pools, in the order of the configuration. */
  readonly allocators = new Map<string, MachineAllocator>();
  /** By host type. */
  readonly #queues = new Map<string, MachineQueue>();
  /** Of pools that have left the configuration: their sessions continue. */
  readonly #retired = new Map<string, MachineAllocator>();
  readonly #options: PoolTableOptions;
  #catalogue: Catalogue;

  constructor(catalogue: Catalogue, pools: readonly OpenedPool[], options: PoolTableOptions) {
    this.#options = options;
    this.#catalogue = catalogue;
    for (const opened of pools) this.#add(opened);
    this.#join();
  }

  /** Builder types that there are machines for. */
  get catalogue(): Catalogue {
    const { hosts, builders } = this.#catalogue;
    return {
      hosts: hosts.filter(({ name }) => this.#queues.has(name)),
      builders: builders.filter(({ hostType }) => this.#queues.has(hostType)),
    };
  }

  /** The pool's; throws ERR_CONFIG. */
  get(pool = ''): MachineAllocator {
    const allocator = this.allocators.get(pool) ?? this.#retired.get(pool);
    if (allocator !== undefined) return allocator;
    throw new GomoteError('ERR_CONFIG', 'its pool is not in the configuration any more');
  }

  /** Of the host type; throws ERR_CONFIG. */
  queueOf(hostType: string): MachineQueue {
    const queue = this.#queues.get(hostType);
    if (queue !== undefined) return queue;
    throw new GomoteError('ERR_CONFIG', `there is no pool for host type "${hostType}" any more`);
  }

  /** Also those that have left the configuration since the start. */
  get all(): MachineAllocator[] {
    return [...this.allocators.values(), ...this.#retired.values()];
  }

  get queues(): readonly MachineQueue[] {
    return [...this.#queues.values()];
  }

  /** Nothing that is in use ends. Gives the pools that are new, which are to be opened. */
  change({ catalogue, added, changed, removed, order }: PoolTableChange): MachineAllocator[] {
    for (const { name } of removed) {
      const allocator = this.get(name);
      this.allocators.delete(name);
      this.#retired.set(name, allocator);
      allocator.retire();
    }
    for (const config of changed) {
      const allocator = this.get(config.name);
      allocator.pool.reconfigure?.(config);
      allocator.rescale(config);
    }
    this.#catalogue = catalogue;
    const opening = added.map((opened) => this.#add(opened));
    for (const name of order) {
      const allocator = this.get(name);
      this.allocators.delete(name);
      this.allocators.set(name, allocator);
    }
    this.#join();
    return opening;
  }

  /** Those that hand out no machines, without details that only admins may see. */
  get closed(): string[] {
    return [...this.allocators.values()].flatMap(({ pool, trouble }) =>
      trouble === undefined ? [] : [`the pool of ${pool.hostType} is not open: ${trouble}`],
    );
  }

  /** Those with unavailable machines, likewise. */
  get withUnavailable(): string[] {
    return [...this.allocators.values()].flatMap(({ pool }) => {
      const count = pool.unavailable?.all.length ?? 0;
      const of = pool.size === undefined ? '' : ` of ${pool.size}`;
      return count === 0 ? [] : [`${pool.hostType}: ${count}${of} machines cannot be lent`];
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((allocator) => allocator.close()));
  }

  #add({ pool, scaling }: OpenedPool): MachineAllocator {
    const { onTrouble, onLost } = this.#options;
    const allocator = new MachineAllocator(pool, {
      ...{ scaling, onTrouble },
      onLost: (id, reason) => onLost(pool.name, id, reason),
    });
    this.allocators.set(pool.name, allocator);
    return allocator;
  }

  /** Gives each host type's pools to its queue. */
  #join(): void {
    const byHost = new Map<string, MachineAllocator[]>();
    for (const allocator of this.allocators.values()) {
      const { hostType } = allocator.pool;
      byHost.set(hostType, [...(byHost.get(hostType) ?? []), allocator]);
    }
    for (const [hostType, queue] of this.#queues) {
      if (byHost.has(hostType)) continue;
      this.#queues.delete(hostType);
      queue.close();
    }
    for (const [hostType, allocators] of byHost) {
      const queue =
        this.#queues.get(hostType) ?? new MachineQueue(hostType, this.#options.onChange);
      this.#queues.set(hostType, queue);
      queue.setAllocators(allocators);
    }
  }
}
