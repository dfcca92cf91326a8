// Which machine of which pool a request gets: by labels, by the order of pools, by priority.
import { describe, expect, it } from 'vitest';
import { MachineAllocator } from '../../../src/coordinator/pools/machine-allocator.ts';
import { agedPriority, MachineQueue } from '../../../src/coordinator/pools/machine-queue.ts';
import type { AcquireCall, Member, Pool } from '../../../src/coordinator/pools/pool.ts';
import { GomoteError } from '../../../src/errors.ts';
import { type Labels, parseWantedLabels } from '../../../src/protocol/labels.ts';

const scaling = { warm: 0, minimum: 0, keepMs: 0 };
const never = () => undefined;
const ends = { release: async () => undefined, reconcile: async () => new Set<string>() };
const rest = { onCapacity: never, onLost: never, close: async () => undefined };
const connect = async () => {
  throw new Error('unused');
};

/** A pool of machines that stay, by their names. */
function fixedPool(name: string, machines: Record<string, Labels>): Pool & { down: Set<string> } {
  const busy = new Set<string>();
  const down = new Set<string>();
  return {
    ...{ name, hostType: 'h', kind: 'static', down, ...ends, ...rest, connect },
    get members(): Member[] {
      return Object.entries(machines).map(([id, labels]) => ({
        ...{ id, name: id, labels },
        ...{ isFree: !busy.has(id) && !down.has(id), isUp: !down.has(id), isKept: false },
      }));
    },
    capacity: Object.keys(machines).length,
    size: Object.keys(machines).length,
    async acquire({ wanted }: AcquireCall) {
      const { freeWith } = await import('../../../src/coordinator/pools/members.ts');
      const [found] = freeWith(wanted, this.members ?? []);
      if (found === undefined) throw new GomoteError('ERR_NO_CAPACITY', 'none');
      busy.add(found.id);
      return found.id;
    },
    async release(id: string) {
      busy.delete(id);
    },
  };
}

/** A pool that makes a machine for each user. */
function madePool(name: string, maximum: number, labels: Labels = {}, fails = false): Pool {
  let made = 0;
  return {
    ...{ name, hostType: 'h', kind: 'gce', labels, ...ends, ...rest, connect },
    capacity: maximum,
    size: maximum,
    async acquire() {
      if (fails) throw new GomoteError('ERR_NO_CAPACITY', 'the zone is full');
      return `${name}-${made++}`;
    },
  };
}

/** What it made and ended, in order. */
function imagePool(name: string, maximum: number, place: string) {
  const done: string[] = [];
  const pool: Pool = {
    ...madePool(name, maximum),
    images: { place, keep: async () => ({ image: 'i', bytes: 0 }), remove: async () => undefined },
    async acquire({ image }: AcquireCall) {
      done.push(`made ${image?.image ?? 'plain'}`);
      return `${name}-${done.length}`;
    },
    async release(id: string) {
      done.push(`ended ${id}`);
    },
  };
  return { pool, done };
}

async function queueOf(...pools: Pool[]) {
  const queue = new MachineQueue('h', never);
  const allocators = pools.map(
    (pool) => new MachineAllocator(pool, { scaling, onTrouble: never, onLost: never }),
  );
  queue.setAllocators(allocators);
  await Promise.all(allocators.map((one) => one.open(new Set())));
  const order: string[] = [];
  const ask = async (owner: string, labels = '', { count = 1, priority = 1 } = {}) => {
    const wanted = parseWantedLabels(labels === '' ? [] : labels.split(' ')) ?? [];
    const signal = new AbortController().signal;
    const call = { count, priority, wanted, signal, onProgress: never };
    const lent = await queue.allocate(owner, call);
    order.push(owner);
    return lent.map(({ id }) => id).join(' ');
  };
  const giveBack = async (id: string) => {
    await Promise.all(allocators.map(async (one) => one.knows(id) && (await one.giveBack(id))));
  };
  return { queue, ask, giveBack, order };
}

const labs = () =>
  fixedPool('lab', {
    gpu: { gpu: 'h100', os: '12' },
    old: { os: '11' },
    new: { os: '12' },
    any: {},
  });

describe('the labels of a request', () => {
  it('select the machine, and special ones are kept for requests that need them', async () => {
    const { ask } = await queueOf(labs());
    expect(await ask('a')).toBe('any');
    expect(await ask('a')).toBe('old');
    expect(await ask('a', 'os=12')).toBe('new');
    expect(await ask('a', 'gpu')).toBe('gpu');
  });

  it('that no machine has are refused at once, with those that exist', async () => {
    const { ask } = await queueOf(labs(), madePool('cloud', 3, { place: 'cloud' }));
    const refused = ask('a', 'gpu=a100 os');
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_NO_CAPACITY',
      message:
        'there is no machine of h with gpu=a100 and os; their labels are: gpu=h100, os=11, os=12, place=cloud',
    });
    await expect(ask('a', 'os=12', { count: 3 })).rejects.toThrow(
      '3 buildlets can never be had at once: only 2 machines of h with os=12',
    );
    await expect(ask('a', '', { count: 8 })).rejects.toThrow('only 7 machines of h');
  });

  it('of machines that are all down are refused, and wait when one is up but in use', async () => {
    const pool = labs();
    const { ask, giveBack, queue } = await queueOf(pool);
    expect(await ask('a', 'os=12')).toBe('new');
    pool.down.add('gpu');
    await expect(ask('a', 'gpu')).rejects.toThrow('no machine of h with gpu is up');
    const waiting = ask('b', 'os=12');
    expect(queue.waiting.length).toBe(1);
    await giveBack('new');
    expect(await waiting).toBe('new');
  });

  it('let others pass whose machines the first in the queue cannot use', async () => {
    const { ask, giveBack, queue } = await queueOf(labs());
    expect(await ask('a', 'gpu')).toBe('gpu');
    const waiting = ask('b', 'gpu');
    expect(await ask('c')).toBe('any');
    expect(queue.waiting.map(({ owner }) => owner)).toEqual(['b']);
    await giveBack('gpu');
    expect(await waiting).toBe('gpu');
  });

  it('never let others take machines that a batch waits for', async () => {
    const { ask, giveBack } = await queueOf(labs());
    expect(await ask('a', 'gpu')).toBe('gpu');
    const batch = ask('b', 'os=12', { count: 2 });
    // The only free one with os=12 is the batch's.
    expect(await ask('c', 'os')).toBe('old');
    const later = ask('c', 'os=12');
    await giveBack('gpu');
    expect((await batch).split(' ').sort()).toEqual(['gpu', 'new']);
    await giveBack('new');
    expect(await later).toBe('new');
  });
});

describe('several pools of a host type', () => {
  it('are used in the order of the configuration', async () => {
    const { ask } = await queueOf(
      fixedPool('lab', { one: { special: 'yes' } }),
      madePool('cloud', 2, { cloud: 'yes' }),
    );
    expect(await ask('a', 'cloud')).toBe('cloud-0');
    expect(await ask('a')).toBe('one');
    expect(await ask('a')).toBe('cloud-1');
  });

  it('replace one that has no room at its platform', async () => {
    const { ask, giveBack, queue } = await queueOf(
      madePool('cloud', 2, {}, true),
      fixedPool('lab', { one: {} }),
    );
    expect(await ask('a')).toBe('one');
    const second = ask('b');
    while (queue.waiting.length === 0) await new Promise(setImmediate);
    await giveBack('one');
    expect(await second).toBe('one');
  });

  it('give a batch machines of both', async () => {
    const { ask } = await queueOf(fixedPool('lab', { one: {} }), madePool('cloud', 2));
    expect(await ask('a', '', { count: 3 })).toBe('one cloud-0 cloud-1');
  });
});

describe('the priorities of requests', () => {
  it('decide the order, and users of one priority take turns', async () => {
    const { ask, giveBack, order } = await queueOf(fixedPool('lab', { one: {} }));
    await ask('first');
    const all = [
      ask('low', '', { priority: 0 }),
      ask('a'),
      ask('a'),
      ask('b'),
      ask('high', '', { priority: 2 }),
    ];
    for (const _ of all) {
      const served = order.length;
      await giveBack('one');
      while (order.length === served) await new Promise(setImmediate);
    }
    await Promise.all(all);
    expect(order.slice(1)).toEqual(['high', 'a', 'b', 'a', 'low']);
  });

  it('grow with waiting, so that none waits for ever behind others', () => {
    const minute = 60_000;
    expect(agedPriority(0, 9 * minute)).toBe(0);
    expect(agedPriority(0, 10 * minute)).toBe(1);
    expect(agedPriority(0, 20 * minute)).toBe(2);
    expect(agedPriority(2, 99 * minute)).toBe(2);
  });
});

describe('a request for machines with an image', () => {
  const image = { place: 'engine', hostType: 'h', image: 'whole' };
  const call = { ...{ count: 1, priority: 1, wanted: [], onProgress: never } };
  const { signal } = new AbortController();

  it('gets a new machine, for which one that is ready makes room', async () => {
    const { pool, done } = imagePool('a', 2, 'engine');
    const queue = new MachineQueue('h', never);
    const allocator = new MachineAllocator(pool, {
      ...{ scaling: { ...scaling, warm: 2 }, onTrouble: never, onLost: never },
    });
    queue.setAllocators([allocator]);
    await allocator.open(new Set());
    await expect.poll(() => allocator.warm).toBe(2);
    const [lent] = await queue.allocate('me', { ...call, signal, image });
    expect(lent).toEqual({ pool: 'a', id: 'a-4' });
    expect(done).toEqual(['made plain', 'made plain', 'ended a-1', 'made whole']);
    expect([allocator.lent, allocator.warm]).toEqual([1, 1]);
    await allocator.close();
  });

  it('gets none elsewhere, nor of another host type, and is refused where there is no such pool', async () => {
    const elsewhere = imagePool('b', 1, 'other engine');
    const there = imagePool('c', 1, 'engine');
    const { queue } = await queueOf(madePool('a', 1), elsewhere.pool, there.pool);
    const [lent] = await queue.allocate('me', { ...call, signal, image });
    expect(lent).toEqual({ pool: 'c', id: 'c-1' });
    for (const other of [
      { ...image, hostType: 'g' },
      { ...image, place: 'gone' },
    ]) {
      await expect(queue.allocate('me', { ...call, signal, image: other })).rejects.toMatchObject({
        code: 'ERR_NO_CAPACITY',
        message: expect.stringContaining('the image of the snapshot cannot be used'),
      });
    }
    expect(elsewhere.done).toEqual([]);
  });
});
