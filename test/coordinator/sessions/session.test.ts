// The state machine of a session, by examples and by any sequence of events.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applied,
  type Session,
  type SessionEvent,
} from '../../../src/coordinator/sessions/session.ts';

const limits = { idleMs: 1_000, maximumMs: 10_000 };

const fresh: Session = {
  name: 'user-a-linux-0',
  owner: 'a',
  builderType: 'linux',
  hostType: 'host-linux',
  state: 'creating',
  createdMs: 0,
  expiresMs: 0,
  isClaimed: false,
};

const event: fc.Arbitrary<SessionEvent> = fc.oneof(
  fc.constant({ kind: 'granted', pool: 'p', machine: 'm' } as const),
  fc.constant({ kind: 'claimed' } as const),
  fc.constant({ kind: 'used' } as const),
  fc.record({ kind: fc.constant('extended' as const), byMs: fc.nat(50_000) }),
  fc.constant({ kind: 'died', reason: 'it burned' } as const),
  fc.constant({ kind: 'ended' } as const),
);

describe('a session', () => {
  it('keeps its invariants for any sequence of events', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(3_000)), { maxLength: 30 }), (events) => {
        let session = fresh;
        let now = 0;
        for (const [one, laterMs] of events) {
          now += laterMs;
          let next: Session;
          try {
            next = applied(session, one, now, limits);
          } catch (error) {
            // What cannot happen is refused by name and changes nothing.
            expect(String(error)).toContain(session.name);
            continue;
          }
          // It stays its owner's, under its name.
          expect([next.name, next.owner]).toEqual([session.name, session.owner]);
          // Only what runs or is being ended has a machine, and what runs has one.
          if (next.state === 'creating' || next.state === 'dead')
            expect(next.machine).toBeUndefined();
          if (next.state === 'running') {
            expect(next.machine).toBe('m');
            expect(next.expiresMs).toBeLessThanOrEqual(next.createdMs + limits.maximumMs);
            if (session.state === 'running') {
              expect(next.expiresMs).toBeGreaterThanOrEqual(session.expiresMs);
            }
          }
          // There is no way back.
          const rank = { creating: 0, running: 1, dead: 2, ending: 3 };
          expect(rank[next.state]).toBeGreaterThanOrEqual(rank[session.state]);
          if (next.state === 'dead') expect(next.reason).toBe('it burned');
          session = next;
        }
      }),
    );
  });

  it('expires some time after its last use, and no use shortens an extension', () => {
    const running = applied(fresh, { kind: 'granted', pool: 'p', machine: 'm' }, 100, limits);
    expect(running.expiresMs).toBe(1_100);
    expect(applied(running, { kind: 'used' }, 500, limits).expiresMs).toBe(1_500);
    const extended = applied(running, { kind: 'extended', byMs: 5_000 }, 200, limits);
    expect(extended.expiresMs).toBe(5_200);
    expect(applied(extended, { kind: 'used' }, 500, limits).expiresMs).toBe(5_200);
    expect(applied(extended, { kind: 'extended', byMs: 1e9 }, 500, limits).expiresMs).toBe(10_100);
  });
});
