// What a coordinator makes of the sessions that others have written to the machines of a platform.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ListCall } from '../../src/backends/backend.ts';
import { Lender } from '../../src/coordinator/lender.ts';
import type { Links } from '../../src/coordinator/links.ts';
import type { Pool } from '../../src/coordinator/pool.ts';
import type { Session } from '../../src/coordinator/session.ts';
import { SessionBook } from '../../src/coordinator/session-book.ts';
import { SessionLife } from '../../src/coordinator/session-life.ts';
import { formatNote, joined, parseNote } from '../../src/coordinator/session-note.ts';
import { SharedMachines } from '../../src/coordinator/shared-machines.ts';
import { Sharing } from '../../src/coordinator/sharing.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const hour = 3_600_000;
const call = { signal: new AbortController().signal };
const session = (changes: Partial<Session> = {}): Session => ({
  ...{ name: 'user-me-vm-0', owner: 'me', builderType: 'vm', hostType: 'host-vm' },
  ...{ state: 'running', createdMs: 1, expiresMs: Date.now() + hour, isClaimed: true },
  ...changes,
});

/** The platform: machines and what is written to them. */
const platform = new Map<string, string | undefined>();
let onList: () => void | Promise<void>;
const never = () => undefined;
const log = { write: never };

beforeEach(() => {
  platform.clear();
  onList = never;
});

const note = (machine: string, changes: Partial<Session> = {}): void =>
  void platform.set(machine, formatNote('team', session(changes)));

async function coordinator(owner = 'mine') {
  const book = await SessionBook.open(temporaryDirectory(), never);
  const shared = new SharedMachines({
    ...{ hostType: 'host-vm', owner, team: 'team' },
    list: async (_: ListCall) => {
      const machines = [...platform].map(([name, text]) => {
        const times = { created: undefined, expires: undefined, dead: undefined };
        return { name, builderType: '', hostType: 'host-vm', note: text, ...times };
      });
      await onList();
      return machines;
    },
    note: async (machine, amend) => void platform.set(machine, amend(platform.get(machine))),
  });
  const pool = { hostType: 'host-vm', capacity: 9, shared, release: never } as unknown as Pool;
  const lender = new Lender(pool, { warm: 0, onTrouble: never, onChange: never, onLost: never });
  const limits = { idleMs: hour, maximumMs: 24 * hour };
  const life: SessionLife = new SessionLife({
    ...{ book, limits, lenderOf: () => lender, isShared: () => true, log, audit: log },
    ...{ links: { drop: async () => undefined } as unknown as Links, onChange: never },
    onEnded: (ended) => sharing.ended(ended),
  });
  const sharing: Sharing = new Sharing({
    ...{ book, life, lenders: new Map([['host-vm', lender]]), isUser: (name) => name === 'me' },
    ...{ intervalMs: 1_000, unclaimedMs: 120_000, log },
  });
  return { book, lender, life, sharing };
}

describe('a look', () => {
  it('takes up sessions of users that are known, and forgets those whose machine is gone', async () => {
    const { book, lender, sharing } = await coordinator();
    note('a-1');
    note('a-2', { name: 'user-else-vm-0', owner: 'else' });
    platform.set('a-3', undefined);
    platform.set('a-4', 'a note of another kind');
    await sharing.look();
    expect(book.all()).toMatchObject([{ name: 'user-me-vm-0', state: 'running', machine: 'a-1' }]);
    expect(lender.lent).toBe(1);
    platform.delete('a-1');
    await sharing.look();
    expect([book.all(), lender.lent]).toEqual([[], 0]);
    // Another coordinator may not know that yet: the name is not given at once.
    expect(sharing.isTaken('user-me-vm-0')).toBe(true);
  });

  it('that began before a session was made does not take its machine for gone', async () => {
    const { book, sharing } = await coordinator();
    onList = () => {
      onList = never;
      void book.save(session({ machine: 'mine-1' }));
    };
    await sharing.look();
    expect(book.has('user-me-vm-0')).toBe(true);
  });

  it('that began before a session was ended does not find it again', async () => {
    const { book, life, sharing } = await coordinator();
    note('a-1');
    await sharing.look();
    onList = async () => {
      onList = never;
      await life.end('user-me-vm-0', 'a test');
    };
    await sharing.look();
    expect(book.all()).toEqual([]);
  });

  it('follows a name that its coordinator gave up before it told anybody', async () => {
    const { book, lender, sharing } = await coordinator();
    note('a-1', { isClaimed: false });
    await sharing.look();
    note('a-1', { name: 'user-me-vm-1' });
    await sharing.look();
    expect(book.all()).toMatchObject([{ name: 'user-me-vm-1', machine: 'a-1' }]);
    expect(lender.lent).toBe(1);
  });

  it('keeps one that no client was told of for a short time only, until one was', async () => {
    const { book, sharing } = await coordinator();
    note('a-1', { isClaimed: false });
    await sharing.look();
    expect(Number(book.get('user-me-vm-0')?.expiresMs) - Date.now()).toBeLessThanOrEqual(120_000);
    note('a-1', { isClaimed: true });
    await sharing.look();
    expect(Number(book.get('user-me-vm-0')?.expiresMs) - Date.now()).toBeGreaterThan(hour / 2);
  });
});

describe('a new session', () => {
  it('gives way to any that has its name already', async () => {
    const { book, sharing } = await coordinator();
    note('a-1');
    const published = await sharing.publish(session({ machine: 'mine-1' }), call);
    expect(published.name).not.toBe('user-me-vm-0');
    expect(parseNote('team', platform.get('mine-1'), 'mine-1')?.name).toBe(published.name);
    await book.save(published);
    await sharing.look();
    expect(book.all().map(({ machine }) => machine)).toEqual(['mine-1', 'a-1']);
  });
});

describe('a use', () => {
  it('is written, and never shortens what another has written', async () => {
    const { book, sharing } = await coordinator();
    const laterMs = Date.now() + 5 * hour;
    await book.save(session({ machine: 'mine-1' }));
    note('mine-1', { expiresMs: laterMs });
    await sharing.flush();
    expect(parseNote('team', platform.get('mine-1'), 'mine-1')?.expiresMs).toBe(laterMs);
    expect(book.get('user-me-vm-0')?.expiresMs).toBe(laterMs);
  });

  it('is not written before it moves the end by much', async () => {
    const { book, sharing } = await coordinator();
    const expiresMs = Date.now() + hour;
    note('a-1', { expiresMs });
    await sharing.look();
    const before = platform.get('a-1');
    book.note(session({ machine: 'a-1', expiresMs: expiresMs + 1_999 }));
    await sharing.flush();
    expect(platform.get('a-1')).toBe(before);
    book.note(session({ machine: 'a-1', expiresMs: expiresMs + 2_000 }));
    await sharing.flush();
    expect(platform.get('a-1')).not.toBe(before);
  });
});

it('of two that know a session the later expiry holds, once a client was told of it', () => {
  const early = { isClaimed: false, expiresMs: 1 };
  expect(joined(session({ ...early }), { isClaimed: false, expiresMs: 2 })).toMatchObject(early);
  for (const isClaimed of [true, false]) {
    const one = session({ isClaimed, expiresMs: 1 });
    const both = { isClaimed: true, expiresMs: 2 };
    expect(joined(one, { isClaimed: !isClaimed, expiresMs: 2 })).toMatchObject(both);
  }
});

it('a note of another team, or that is none, is no session', () => {
  const text = formatNote('team', session());
  expect(parseNote('other', text, 'm')).toBeUndefined();
  for (const bad of [undefined, '', '{}', '{"team":"team"}', 'text']) {
    expect(parseNote('team', bad, 'm')).toBeUndefined();
  }
});
