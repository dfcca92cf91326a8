import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../../src/coordinator/pools/fair-queue.ts';

interface Item {
  owner: string;
  id: number;
}

const fill = (queue: FairQueue<Item>, owners: string): Item[] =>
  [...owners].map((owner, id) => {
    const item = { owner, id };
    queue.push(item);
    return item;
  });

function drain(queue: FairQueue<Item>): Item[] {
  const served: Item[] = [];
  for (let [item] = queue.inOrder(); item !== undefined; [item] = queue.inOrder()) {
    queue.take(item);
    served.push(item);
  }
  return served;
}

const owners = fc.array(fc.constantFrom(...'abcd'), { maxLength: 40 }).map((list) => list.join(''));

describe('a fair queue', () => {
  it('serves one request of a user with a hundred, then the one of another user', () => {
    const queue = new FairQueue<Item>();
    fill(queue, `${'a'.repeat(100)}b`);
    expect(
      drain(queue)
        .map(({ owner }) => owner)
        .slice(0, 4),
    ).toEqual(['a', 'b', 'a', 'a']);
  });

  it('serves all requests, each user’s in order, and no user twice while another waits', () => {
    fc.assert(
      fc.property(owners, (text) => {
        const queue = new FairQueue<Item>();
        const items = fill(queue, text);
        const served = drain(queue);
        expect(served.length).toBe(items.length);
        for (const owner of new Set(text)) {
          const own = served.filter((item) => item.owner === owner).map(({ id }) => id);
          expect(own).toEqual([...own].sort((a, b) => a - b));
        }
        served.forEach((item, at) => {
          const before = served.slice(0, at).findLastIndex(({ owner }) => owner === item.owner);
          const between = new Set(served.slice(before + 1, at).map(({ owner }) => owner));
          const waiting = new Set(served.slice(at).map(({ owner }) => owner));
          waiting.delete(item.owner);
          if (before >= 0) expect([...waiting].every((owner) => between.has(owner))).toBe(true);
        });
      }),
    );
  });

  it('predicts the order in which it serves, also after some have left', () => {
    fc.assert(
      fc.property(owners, fc.array(fc.nat(39)), (text, leaving) => {
        const queue = new FairQueue<Item>();
        const items = fill(queue, text);
        for (const at of leaving) {
          const item = items[at];
          if (item !== undefined) queue.remove(item);
        }
        const foretold = queue.inOrder();
        expect(drain(queue)).toEqual(foretold);
      }),
    );
  });
});
