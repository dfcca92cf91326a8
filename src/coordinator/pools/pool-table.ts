// The pools of a coordinator, one for a host type; they may change while it runs.
import type { Catalogue } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { PoolConfig } from '../pool-config.ts';
import { MachineAllocator } from './machine-allocator.ts';
import type { OpenedPool } from './open-pools.ts';

interface PoolTableOptions {
  readonly onTrouble: (what: string) => void;
  readonly onChange: () => void;
  readonly onLost: (hostType: string, id: string, reason: string) => void;
}

export interface PoolTableChange {
  readonly catalogue: Catalogue;
  readonly added: readonly OpenedPool[];
  readonly changed: readonly PoolConfig[];
  /** Host types. */
  readonly removed: readonly string[];
}

export class PoolTable {
  /** By host type. */
  readonly allocators = new Map<string, MachineAllocator>();
  /** Of pools that have left the configuration: their sessions go on. */
  readonly #retired = new Map<string, MachineAllocator>();
  readonly #options: PoolTableOptions;
  #catalogue: Catalogue;

  constructor(catalogue: Catalogue, pools: readonly OpenedPool[], options: PoolTableOptions) {
    this.#options = options;
    this.#catalogue = catalogue;
    for (const opened of pools) this.#add(opened);
  }

  /** Builder types that there are machines for. */
  get catalogue(): Catalogue {
    const { hosts, builders } = this.#catalogue;
    return {
      hosts: hosts.filter(({ name }) => this.allocators.has(name)),
      builders: builders.filter(({ hostType }) => this.allocators.has(hostType)),
    };
  }

  get(hostType: string): MachineAllocator {
    const allocator = this.allocators.get(hostType) ?? this.#retired.get(hostType);
    if (allocator !== undefined) return allocator;
    throw new GomoteError('ERR_CONFIG', `there is no pool for host type "${hostType}" any more`);
  }

  /** Nothing that is in use ends. Gives the pools that are new, which are to be opened. */
  change({ catalogue, added, changed, removed }: PoolTableChange): MachineAllocator[] {
    for (const hostType of removed) {
      const allocator = this.get(hostType);
      this.allocators.delete(hostType);
      this.#retired.set(hostType, allocator);
      allocator.turnAway();
      allocator.keepReady(0);
    }
    for (const config of changed) {
      const allocator = this.get(config.host.name);
      allocator.pool.reconfigure?.(config);
      allocator.keepReady(config.warm);
    }
    this.#catalogue = catalogue;
    return added.map((opened) => this.#add(opened));
  }

  async close(): Promise<void> {
    const all = [...this.allocators.values(), ...this.#retired.values()];
    await Promise.all(all.map((allocator) => allocator.close()));
  }

  #add({ pool, warm }: OpenedPool): MachineAllocator {
    const { onTrouble, onChange, onLost } = this.#options;
    const allocator = new MachineAllocator(pool, {
      ...{ warm, onTrouble, onChange },
      onLost: (id, reason) => onLost(pool.hostType, id, reason),
    });
    this.allocators.set(pool.hostType, allocator);
    return allocator;
  }
}
