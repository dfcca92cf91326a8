import { expect, it } from 'vitest';
import type { AnyBackend, CreateCall } from '../../../src/backends/backend.ts';
import { BackendPool } from '../../../src/coordinator/pools/backend-pool.ts';

it.each(['someone', undefined])(
  'a pool keeps no contents on machines, which have many users (owner: %s)',
  async (owner) => {
    const calls: CreateCall[] = [];
    const backend = {
      create: async (_: unknown, call: CreateCall) => {
        calls.push(call);
        return { name: 'machine' };
      },
    } as unknown as AnyBackend;
    const pool = new BackendPool({
      ...{ name: 'pool', backend, kind: 'ssh', owner: 'gomote', team: 'team', maximum: 1 },
      place: '',
      host: { name: 'host' },
    });
    const { signal } = new AbortController();
    await pool.acquire({ wanted: [], onProgress: () => undefined, owner, signal });
    expect(calls).toMatchObject([{ hasNoStore: true, cacheOwner: owner }]);
  },
);
