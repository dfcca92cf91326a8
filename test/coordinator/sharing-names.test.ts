// Which names sharing gives, gives again, and never gives.
import { describe, expect, it } from 'vitest';
import type { MachineAllocator } from '../../src/coordinator/pools/machine-allocator.ts';
import type { Session } from '../../src/coordinator/sessions/session.ts';
import type { SharedSession } from '../../src/coordinator/sessions/session-note.ts';
import type { SessionTransitions } from '../../src/coordinator/sessions/session-transitions.ts';
import { Sharing } from '../../src/coordinator/sessions/sharing.ts';
import type { SessionBook } from '../../src/coordinator/state/session-book.ts';

const session = (name: string, pool: string, machine?: string): Session => ({
  ...{ name, owner: 'me', builderType: 'linux', hostType: 'h', pool, machine },
  ...{ state: 'running', createdMs: 0, expiresMs: 0, isClaimed: true },
});

/** A sharing over one pool that is shared and one that is not; others have sessions of these names. */
function scene(others: readonly string[] = []) {
  const kept: string[] = [];
  const shared = {
    keep: async ({ name }: Session) => {
      kept.push(name);
      return 0;
    },
    list: async () => ({
      machines: new Set(),
      sessions: others.map((name, n) => ({ name, machine: `other-${n}` }) as SharedSession),
    }),
    isOwn: () => true,
  };
  const allocator = (pool: object) => ({ pool }) as MachineAllocator;
  const sharing = new Sharing({
    book: { has: (name: string) => name === 'in-the-book' } as unknown as SessionBook,
    sessions: {} as SessionTransitions,
    allocators: new Map([
      ['shared', allocator({ shared })],
      ['alone', allocator({})],
    ]),
    isUser: () => true,
    intervalMs: 60_000,
    log: { write: () => undefined },
  });
  return { sharing, kept };
}

describe('a name', () => {
  it('is reserved for a while after a session that others may still know, and after no other', () => {
    const { sharing } = scene();
    sharing.ended(session('shared-with-machine', 'shared', 'm'));
    sharing.ended(session('shared-without', 'shared'));
    sharing.ended(session('alone-with-machine', 'alone', 'm'));
    sharing.ended(session('alone-without', 'alone'));
    sharing.ended(session('of-no-pool', 'gone', 'm'));
    const names = [
      'shared-with-machine',
      'shared-without',
      'alone-with-machine',
      'alone-without',
      'of-no-pool',
    ];
    expect(names.filter((name) => sharing.isTaken(name))).toEqual(['shared-with-machine']);
    expect(sharing.isTaken('in-the-book')).toBe(true);
  });

  it('that another coordinator has is never given, however often it is requested', async () => {
    const { sharing, kept } = scene(['n-0', 'n-1']);
    const rename = (_: string, isTaken: (name: string) => boolean) => {
      for (let turn = 0; turn < 50; turn++) {
        expect(isTaken('n-0')).toBe(true);
        expect(isTaken('n-1')).toBe(true);
      }
      for (let n = 2; ; n++) if (!isTaken(`n-${n}`)) return `n-${n}`;
    };
    const call = { signal: new AbortController().signal };
    const named = await sharing.publish(session('n-0', 'shared', 'm'), call, rename);
    expect(['n-0', 'n-1']).not.toContain(named.name);
    // First to be seen by the other, then for good.
    expect(kept).toEqual(['n-0', named.name, named.name]);
  });

  it('is kept when no other has it, and when the platform keeps no notes', async () => {
    const { sharing, kept } = scene(['n-0']);
    const call = { signal: new AbortController().signal };
    const never = () => {
      throw new Error('renamed');
    };
    const [free, alone] = [session('n-1', 'shared', 'm'), session('n-0', 'alone', 'm')];
    expect(await sharing.publish(free, call, never)).toBe(free);
    expect(await sharing.publish(alone, call, never)).toBe(alone);
    expect(kept).toEqual(['n-1', 'n-1']);
  });
});
