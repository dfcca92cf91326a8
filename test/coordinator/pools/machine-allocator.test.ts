// Handing out machines: the maximum, the order, warm ones, and what goes wrong with a pool.
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { BuildletClient } from '../../../src/client/buildlet-client.ts';
import { MachineAllocator } from '../../../src/coordinator/pools/machine-allocator.ts';
import { MachineQueue } from '../../../src/coordinator/pools/machine-queue.ts';
import type { AcquireCall, Member, Pool } from '../../../src/coordinator/pools/pool.ts';
import { UnavailableMachines } from '../../../src/coordinator/pools/unavailable-machines.ts';
import { GomoteError } from '../../../src/errors.ts';
import { until } from '../../helpers/processes.ts';

/** A pool whose machines are made when the test says so. */
class HandPool implements Pool {
  readonly name = 'p';
  readonly hostType = 'h';
  readonly kind = 'hand';
  capacity = 2;
  size: number | undefined;
  unavailable: UnavailableMachines | undefined;
  members: Member[] | undefined;
  onCapacity = (): void => undefined;
  onLost: Pool['onLost'] = () => undefined;
  readonly asked: {
    call: AcquireCall;
    done: (id: string) => void;
    fail: (error: Error) => void;
  }[] = [];
  readonly released: string[] = [];
  releaseFailures = 0;
  made = 0;

  async acquire(call: AcquireCall): Promise<string> {
    return await new Promise((done, fail) => {
      this.asked.push({ call, done, fail });
      call.signal.addEventListener('abort', () => fail(call.signal.reason));
    });
  }

  /** Lets the next machine be ready. */
  make(): void {
    this.asked.shift()?.done(`m${this.made++}`);
  }

  async release(id: string): Promise<void> {
    if (this.releaseFailures-- > 0) throw new Error('it does not answer');
    this.released.push(id);
  }

  /** Those that do not answer. */
  readonly dead = new Set<string>();

  async connect(id: string): Promise<BuildletClient> {
    const status = async () => {
      if (this.dead.has(id)) throw new GomoteError('ERR_CONNECT', 'no answer');
    };
    return { status, disconnect: async () => undefined } as unknown as BuildletClient;
  }

  async explain(_id: string, error: GomoteError): Promise<GomoteError> {
    return error;
  }

  async reconcile(held: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return held;
  }

  async close(): Promise<void> {}
}

async function allocating(warm = 0, { minimum = 0, keepMs = 0, lookMs = 60_000 } = {}) {
  const pool = new HandPool();
  const troubles: string[] = [];
  const lost: string[] = [];
  const allocator = new MachineAllocator(pool, {
    scaling: { warm, minimum, keepMs },
    retryMs: 1,
    lookMs,
    onTrouble: (what) => troubles.push(what),
    onLost: (id) => lost.push(id),
  });
  const queue = new MachineQueue('h', () => undefined);
  queue.setAllocators([allocator]);
  await allocator.open(new Set());
  const steps: Record<string, string[]> = {};
  const askFor = async (owner: string, count: number, signal = new AbortController().signal) => {
    steps[owner] ??= [];
    const onProgress = (step: string) => steps[owner]?.push(step);
    const call = { count, priority: 1, wanted: [], signal, onProgress };
    return (await queue.allocate(owner, call)).map(({ id }) => id);
  };
  const ask = async (owner: string, signal?: AbortSignal) => (await askFor(owner, 1, signal))[0]!;
  return { pool, allocator, queue, ask, askFor, steps, troubles, lost };
}

describe('an allocator', () => {
  it('never asks for more machines than there are, and serves in turn as they come back', async () => {
    const { pool, allocator, queue, ask, steps } = await allocating();
    const [a1, a2] = [ask('a'), ask('a')];
    const a3 = ask('a');
    const b1 = ask('b');
    expect(pool.asked.length).toBe(2);
    pool.make();
    pool.make();
    expect([await a1, await a2]).toEqual(['m0', 'm1']);
    expect(queue.waiting.map(({ owner, ahead }) => [owner, ahead])).toEqual([
      ['a', 0],
      ['b', 1],
    ]);
    await allocator.giveBack('m0');
    expect(pool.asked.length).toBe(1);
    pool.make();
    expect(await a3).toBe('m2');
    expect(steps.b).toEqual(['1 ahead of you', '0 ahead of you']);
    await allocator.giveBack('m1');
    pool.make();
    expect(await b1).toBe('m3');
    expect(allocator.lent).toBe(2);
  });

  it('forgets cancelled requests, whether they wait or are being served', async () => {
    const { pool, allocator, queue, ask } = await allocating();
    pool.capacity = 1;
    const served = new AbortController();
    const waiting = new AbortController();
    const first = ask('a', served.signal);
    const second = ask('b', waiting.signal);
    const third = ask('c');
    waiting.abort(new GomoteError('ERR_ABORTED', 'left'));
    await expect(second).rejects.toThrow('left');
    expect(queue.waiting.map(({ owner }) => owner)).toEqual(['c']);
    served.abort(new GomoteError('ERR_ABORTED', 'left too'));
    await expect(first).rejects.toThrow('left too');
    await until(() => pool.asked.length === 2);
    pool.asked.shift();
    pool.make();
    expect(await third).toBe('m0');
    expect(allocator.lent).toBe(1);
  });

  it('keeps machines ready ahead, hands them out at once and makes others', async () => {
    const { pool, allocator, ask } = await allocating(1);
    pool.make();
    await until(() => allocator.warm === 1);
    expect(await ask('a')).toBe('m0');
    expect(pool.asked.length).toBe(1);
    // The last one is being made ahead, and goes to whoever asks meanwhile.
    const second = ask('b');
    pool.make();
    expect(await second).toBe('m1');
    expect(pool.asked.length).toBe(0);
  });

  it('gives the slot to a waiting user when making a machine ahead fails', async () => {
    const { pool, allocator, ask, troubles } = await allocating(1);
    pool.capacity = 1;
    const first = ask('a');
    pool.asked.shift()?.fail(new Error('no quota'));
    await until(() => pool.asked.length === 1);
    pool.make();
    expect(await first).toBe('m0');
    expect(troubles).toEqual([expect.stringContaining('no quota')]);
    await allocator.close();
  });

  it('reports a machine that cannot be made to its requester, and serves the next', async () => {
    const { pool, ask } = await allocating();
    pool.capacity = 1;
    const [first, second] = [ask('a'), ask('b')];
    pool.asked.shift()?.fail(new Error('it did not boot'));
    await expect(first).rejects.toThrow('it did not boot');
    await until(() => pool.asked.length === 1);
    pool.make();
    expect(await second).toBe('m0');
  });

  it('retries taking a machine back, and reuses its slot only afterwards', async () => {
    const { pool, allocator, ask, troubles } = await allocating();
    pool.capacity = 1;
    const first = ask('a');
    pool.make();
    const second = ask('b');
    pool.releaseFailures = 3;
    const back = allocator.giveBack(await first);
    expect(pool.asked.length).toBe(0);
    await back;
    expect([pool.released, troubles.length]).toEqual([['m0'], 3]);
    pool.make();
    expect(await second).toBe('m1');
  });

  it('replaces a lost ready machine, and reports a lost machine that is lent', async () => {
    const { pool, allocator, ask, lost } = await allocating(1);
    pool.make();
    await until(() => allocator.warm === 1);
    pool.onLost('m0', 'it burned');
    await until(() => pool.asked.length === 1);
    expect([allocator.warm, pool.released]).toEqual([0, ['m0']]);
    const first = ask('a');
    pool.make();
    pool.make();
    const id = await first;
    pool.onLost(id, 'it burned too');
    expect(lost).toEqual([id]);
    await allocator.close();
  });

  it('rejects waiting requests when it closes, and finishes machines in progress', async () => {
    const { pool, queue, ask } = await allocating();
    pool.capacity = 1;
    const [first, second] = [ask('a'), ask('b')];
    queue.close();
    await expect(second).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    pool.make();
    expect(await first).toBe('m0');
  });

  it('asks for more machines when the maximum grows', async () => {
    const { pool, ask } = await allocating();
    pool.capacity = 0;
    const first = ask('a');
    expect(pool.asked.length).toBe(0);
    pool.capacity = 1;
    pool.onCapacity();
    pool.make();
    expect(await first).toBe('m0');
  });

  it('gives several at once or none, with one place in the queue per request', async () => {
    const { pool, allocator, queue, ask, askFor } = await allocating();
    pool.capacity = 3;
    const first = ask('a');
    pool.make();
    const held = await first;
    // Were they taken one by one, each of the two would wait for what the other has.
    const three = askFor('b', 3);
    const two = askFor('c', 2);
    const one = ask('d');
    expect(pool.asked.length).toBe(0);
    expect(queue.waiting.map(({ owner, count, ahead }) => [owner, count, ahead])).toEqual([
      ['b', 3, 0],
      ['c', 2, 1],
      ['d', 1, 2],
    ]);
    await allocator.giveBack(held);
    for (let i = 0; i < 3; i++) pool.make();
    const ids = await three;
    expect(ids).toHaveLength(3);
    expect(pool.asked.length).toBe(0);
    for (const id of ids) await allocator.giveBack(id);
    for (let i = 0; i < 3; i++) pool.make();
    expect(await two).toHaveLength(2);
    expect(await one).toMatch(/^m/);
    expect(allocator.lent).toBe(3);
  });

  it('gives back the machines of a request for several when one of them cannot be made', async () => {
    const { pool, allocator, askFor } = await allocating();
    const both = askFor('a', 2);
    pool.make();
    pool.asked.shift()?.fail(new Error('it did not boot'));
    await expect(both).rejects.toThrow('it did not boot');
    await until(() => pool.released.length === 1);
    expect(allocator.lent).toBe(0);
  });

  it('lets nobody wait behind a cancelled request for several', async () => {
    const { pool, ask, askFor } = await allocating();
    const leaving = new AbortController();
    const first = ask('a');
    pool.make();
    await first;
    const both = askFor('b', 2, leaving.signal);
    const one = ask('c');
    expect(pool.asked.length).toBe(0);
    leaving.abort(new GomoteError('ERR_ABORTED', 'left'));
    await expect(both).rejects.toThrow('left');
    pool.make();
    expect(await one).toBe('m1');
  });

  it('refuses at once a request that can never be met', async () => {
    const { pool, askFor } = await allocating();
    pool.size = 2;
    await expect(askFor('a', 3)).rejects.toMatchObject({
      code: 'ERR_NO_CAPACITY',
      message: '3 buildlets can never be had at once: only 2 machines of h',
    });
  });

  it('lets a request wait for a machine that is in use when the free one turns out to be dead', async () => {
    const { pool, allocator, queue, ask } = await allocating();
    const log = { write: () => undefined };
    const member = (id: string, isFree: boolean, isUp = true): Member => {
      return { id, name: id, labels: undefined, isFree, isUp, isKept: false };
    };
    pool.unavailable = new UnavailableMachines('h', log);
    pool.members = [member('m0', true), member('dead', true)];
    const first = ask('a');
    pool.make();
    const held = await first;
    pool.members = [member('m0', false), member('dead', true)];
    const second = ask('b');
    pool.unavailable.add('dead', 'down', 'no answer');
    pool.members = [member('m0', false), member('dead', false, false)];
    pool.asked.shift()?.fail(new GomoteError('ERR_NO_CAPACITY', 'none'));
    await until(() => queue.waiting.length === 1);
    pool.members = [member('m0', true), member('dead', false, false)];
    await allocator.giveBack(held);
    pool.make();
    expect(await second).toBe('m1');
    pool.members = [member('m1', false, false), member('dead', false, false)];
    pool.unavailable.add('m1', 'down', 'no answer');
    await expect(ask('c')).rejects.toThrow(
      'no machine of h is up: dead has been down for 0s: no answer; m1 has been down',
    );
  });
});

describe('the scaling of a pool', () => {
  it('keeps the minimum, of machines in use or ready', async () => {
    const { pool, allocator, ask } = await allocating(0, { minimum: 2 });
    pool.capacity = 3;
    expect(pool.asked.length).toBe(2);
    pool.make();
    pool.make();
    await until(() => allocator.warm === 2);
    const held = await ask('a');
    expect([allocator.warm, pool.asked.length]).toEqual([1, 0]);
    await allocator.giveBack(held);
    pool.make();
    await until(() => allocator.warm === 2);
    expect(pool.asked.length).toBe(0);
  });

  it('keeps as many as were in use at once, for some time, and never more than the maximum', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { pool, allocator, ask } = await allocating(0, { keepMs: 60_000 });
    const all = [ask('a'), ask('b'), ask('c')];
    expect(pool.asked.length).toBe(2);
    pool.make();
    pool.make();
    const [first, second] = await Promise.all(all.slice(0, 2));
    await allocator.giveBack(first!);
    pool.make();
    const third = await all[2]!;
    await allocator.giveBack(second!);
    await allocator.giveBack(third);
    expect(pool.asked.length).toBe(2);
    pool.make();
    pool.make();
    await vi.advanceTimersByTimeAsync(59_000);
    expect(allocator.warm).toBe(2);
    expect(await ask('d')).toBe('m3');
    // When the time is over, what is ready goes.
    await vi.advanceTimersByTimeAsync(2_000);
    expect([allocator.warm, pool.released.at(-1)]).toEqual([0, 'm4']);
    expect(pool.asked.length).toBe(0);
  });

  it('replaces a machine that was ready and does not answer', async () => {
    const { pool, allocator, ask, troubles } = await allocating(1, { lookMs: 5 });
    pool.make();
    await until(() => allocator.warm === 1);
    pool.dead.add('m0');
    await until(() => pool.released.includes('m0'));
    pool.make();
    await until(() => allocator.warm === 1);
    expect(await ask('a')).toBe('m1');
    expect(troubles).toEqual(['m0, which was ready, does not answer: no answer']);
    await allocator.close();
  });

  it('gives back a machine in progress when its pool has left the configuration', async () => {
    const { pool, allocator } = await allocating(2);
    pool.make();
    await until(() => allocator.warm === 1);
    allocator.retire();
    pool.make();
    await until(() => pool.released.length === 2);
    expect([allocator.warm, allocator.lent]).toEqual([0, 0]);
  });
});
