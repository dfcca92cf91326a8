// What a coordinator makes of the sessions that others have written to the machines of a platform.

import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ListCall } from '../../src/backends/backend.ts';
import { MachineAllocator } from '../../src/coordinator/pools/machine-allocator.ts';
import { MachineQueue } from '../../src/coordinator/pools/machine-queue.ts';
import type { Pool } from '../../src/coordinator/pools/pool.ts';
import { SharedMachines } from '../../src/coordinator/pools/shared-machines.ts';
import { Admission } from '../../src/coordinator/sessions/admission.ts';
import type { MachineConnections } from '../../src/coordinator/sessions/machine-connections.ts';
import type { Session } from '../../src/coordinator/sessions/session.ts';
import { formatNote, parseNote } from '../../src/coordinator/sessions/session-note.ts';
import { SessionTransitions } from '../../src/coordinator/sessions/session-transitions.ts';
import { Sharing } from '../../src/coordinator/sessions/sharing.ts';
import { SessionBook } from '../../src/coordinator/state/session-book.ts';
import { times } from '../helpers/counts.ts';
import { random } from '../helpers/random.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const hour = 3_600_000;
const call = { signal: new AbortController().signal };
const session = (changes: Partial<Session> = {}): Session => ({
  ...{ name: 'user-me-vm-0', owner: 'me', builderType: 'vm', hostType: 'host-vm' },
  ...{ pool: 'vms', state: 'running', createdMs: 1, expiresMs: Date.now() + hour, isClaimed: true },
  ...changes,
});

/** The platform: machines and what is written to them. */
const platform = new Map<string, string | undefined>();
let onList: () => void | Promise<void>;
let onWrite: () => void | Promise<void>;
const never = () => undefined;

/** Anything may happen meanwhile. */
const pause = () => sleep(random(6));
const rounds = times(5, 200);
const log = { write: never };

beforeEach(() => {
  platform.clear();
  onList = never;
  onWrite = never;
});

const note = (machine: string, changes: Partial<Session> = {}): void =>
  void platform.set(machine, formatNote('team', session(changes)));

async function coordinator(owner = 'mine') {
  const book = await SessionBook.open(temporaryDirectory(), never);
  const shared = new SharedMachines({
    ...{ hostType: 'host-vm', owner, team: 'team' },
    list: async (_: ListCall) => {
      await onList();
      const machines = [...platform].map(([name, text]) => {
        const times = { created: undefined, expires: undefined, dead: undefined };
        return { name, builderType: '', hostType: 'host-vm', note: text, ...times };
      });
      await onList();
      return machines;
    },
    note: async (machine, amend) => {
      for (;;) {
        const before = platform.get(machine);
        const note = amend(before);
        await onWrite();
        if (platform.get(machine) !== before) continue;
        platform.set(machine, note);
        return await onWrite();
      }
    },
  });
  const acquire = async () => {
    const machine = `${owner}-${platform.size}`;
    platform.set(machine, undefined);
    await onWrite();
    return machine;
  };
  const ends = { release: never, reconcile: async () => new Set() };
  const pool = {
    name: 'vms',
    hostType: 'host-vm',
    capacity: 99,
    shared,
    acquire,
    ...ends,
  } as unknown as Pool;
  const allocator = new MachineAllocator(pool, {
    scaling: { warm: 0, minimum: 0, keepMs: 0 },
    onTrouble: never,
    onLost: never,
  });
  const limits = { idleMs: hour, maximumMs: 24 * hour, perUser: 99, priority: 'normal' as const };
  const sessions: SessionTransitions = new SessionTransitions({
    ...{
      book,
      limits,
      allocatorOf: () => allocator,
      isShared: () => true,
      log,
      audit: log,
    },
    ...{
      machines: { drop: async () => undefined } as unknown as MachineConnections,
      onChange: never,
    },
    onEnded: (ended) => sharing.ended(ended),
  });
  const sharing: Sharing = new Sharing({
    ...{
      book,
      sessions,
      allocators: new Map([['vms', allocator]]),
      isUser: (name) => name === 'me',
    },
    ...{ intervalMs: 1_000, log },
  });
  const queue = new MachineQueue('host-vm', never);
  queue.setAllocators([allocator]);
  await allocator.open(new Set());
  const builder = { name: 'vm', hostType: 'host-vm', env: [] };
  const admission = new Admission({
    ...{
      book,
      sessions,
      limits,
      allocatorOf: () => allocator,
      queueOf: () => queue,
      audit: log,
    },
    catalogueOf: () => ({ hosts: [], builders: [builder] }),
    isTaken: (name) => sharing.isTaken(name),
    publish: (made, how, rename) => sharing.publish(made, how, rename),
  });
  return { book, allocator, sessions, sharing, admission };
}

describe('a look at the platform', () => {
  it('adopts sessions of known users, and forgets those whose machine is gone', async () => {
    const { book, allocator, sharing } = await coordinator();
    note('a-1');
    note('a-2', { name: 'user-else-vm-0', owner: 'else' });
    platform.set('a-3', undefined);
    platform.set('a-4', 'a note of another kind');
    await sharing.look();
    expect(book.all()).toMatchObject([{ name: 'user-me-vm-0', state: 'running', machine: 'a-1' }]);
    expect(allocator.lent).toBe(1);
    platform.delete('a-1');
    await sharing.look();
    expect([book.all(), allocator.lent]).toEqual([[], 0]);
    // Another coordinator may not know that yet: the name is not given at once.
    expect(sharing.isTaken('user-me-vm-0')).toBe(true);
  });

  it('that began before a session was made does not report its machine as gone', async () => {
    const { book, sharing } = await coordinator();
    onList = async () => {
      onList = never;
      await book.save(session({ machine: 'mine-1' }));
    };
    await sharing.look();
    expect(book.has('user-me-vm-0')).toBe(true);
  });

  it('that began before a session was ended does not find it again', async () => {
    const { book, sessions, sharing } = await coordinator();
    note('a-1');
    await sharing.look();
    onList = async () => {
      onList = never;
      await sessions.end('user-me-vm-0', 'a test');
    };
    await sharing.look();
    expect(book.all()).toEqual([]);
  });

  it('ignores a session whose coordinator only asks whether it may have the name', async () => {
    const { book, sharing } = await coordinator();
    platform.set('a-1', formatNote('team', session(), { isSettled: false }));
    await sharing.look();
    expect(book.all()).toEqual([]);
  });
});

describe('a new session', () => {
  it('gives way to any session that has its name already, or asks for it', async () => {
    for (const isSettled of [true, false]) {
      platform.clear();
      const { sharing } = await coordinator();
      platform.set('a-1', formatNote('team', session(), { isSettled }));
      const made = session({ machine: 'mine-1' });
      const published = await sharing.publish(made, call, (from, isTaken) => {
        expect([from, isTaken(from)]).toEqual(['user-me-vm-0', true]);
        return 'user-me-vm-7';
      });
      expect(published).toEqual({ ...made, name: 'user-me-vm-7' });
      const note = parseNote('team', platform.get('mine-1'), 'mine-1');
      expect(note).toMatchObject({ name: 'user-me-vm-7', isSettled: true });
    }
  });

  it(`has a name of its own, however many are made at once by two coordinators, ${rounds} times`, async () => {
    for (let round = 0; round < rounds; round++) {
      platform.clear();
      onList = pause;
      onWrite = pause;
      const two = [await coordinator('a'), await coordinator('b')];
      let isOver = false;
      const looking = two.map(async ({ sharing }) => {
        while (!isOver) await Promise.all([sharing.look(), pause()]);
      });
      const made = await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          for (let pauses = random(8); pauses > 0; pauses--) await pause();
          const creation = two[n % 2]!.admission.create({ name: 'me', isAdmin: false }, 'vm', {
            count: 1,
            key: undefined,
            machineLabels: [],
          });
          creation.join(never);
          const { name, machine } = (await creation.result)[0]!;
          await two[n % 2]!.admission.claim(name);
          return { name, machine };
        }),
      );
      isOver = true;
      await Promise.all(looking);
      const byName = (all: readonly Pick<Session, 'name' | 'machine'>[]) =>
        all.map(({ name, machine }) => `${name} ${machine}`).sort();
      expect(new Set(made.map(({ name }) => name)).size).toBe(12);
      for (const { sharing, book } of two) {
        await sharing.look();
        expect(byName(book.all())).toEqual(byName(made));
      }
    }
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

  it('is not written unless it moves the end by much', async () => {
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

it('a note of another team, or of another kind, is no session', () => {
  const text = formatNote('team', session());
  expect(parseNote('other', text, 'm')).toBeUndefined();
  for (const bad of [undefined, '', '{}', '{"team":"team"}', 'text']) {
    expect(parseNote('team', bad, 'm')).toBeUndefined();
  }
});
