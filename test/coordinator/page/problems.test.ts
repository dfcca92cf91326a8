// What is wrong, as each viewer is told: the worst first, names only of what they may see, and what to do.
import { expect, it } from 'vitest';
import { problemsOf } from '../../../src/coordinator/page/problems.ts';
import type { CoordinatorView } from '../../../src/coordinator/sessions/view.ts';

const boss = { name: 'boss', isAdmin: true };
const me = { name: 'me', isAdmin: false };
const well = { failures: new Map(), warnings: new Map() };
const nothing: CoordinatorView = { sessions: [], pools: [], queue: [] };
const facts = { user: boss, view: nothing, readiness: well, machines: [], graceMs: 300_000 };

const session: CoordinatorView['sessions'][number] = {
  ...{ name: 'user-me-linux-0', owner: 'me', hostType: 'h', builderType: 'linux' },
  state: 'running',
  health: 'well',
  ...{ createdMs: 0, expiresMs: 0, reason: undefined, running: [] },
};
const pool = {
  ...{
    name: 'linux',
    hostType: 'host-linux',
    kind: 'static',
    capacity: 2,
    lent: 2,
    warm: 0,
    waiting: 0,
  },
  ...{ down: [], outOfService: [] },
};
const titles = (given: Partial<Parameters<typeof problemsOf>[0]>) =>
  problemsOf({ ...facts, ...given }).map(({ level, title }) => `${level}: ${title}`);

it('the list of problems is empty while all is well', () => {
  expect(problemsOf({ ...facts, view: { ...nothing, sessions: [session] } })).toEqual([]);
});

it('the list of problems shows admins everything, the worst first', () => {
  const view: CoordinatorView = {
    ...nothing,
    sessions: [
      { ...session, health: 'silent', reason: 'it has not answered for 12 s' },
      { ...session, name: 'user-me-linux-1', state: 'dead', health: 'dead', reason: 'it is gone' },
    ],
    pools: [
      { ...pool, waiting: 3 },
      { ...pool, hostType: 'full' },
      {
        ...pool,
        hostType: 'ill',
        lent: 0,
        down: [{ machine: 'm1', sinceMs: 0, reason: 'refused' }],
      },
    ],
  };
  const readiness = {
    failures: new Map([['disk', 'x'] as const]),
    warnings: new Map([['users', 'y'] as const, ['sessions', 'files: 1'] as const]),
  };
  const drained = { since: new Date(0), note: 'repair' };
  const machine = {
    machine: 'm2',
    hostType: 'full',
    kind: 'static',
    state: 'free',
    drained,
  } as const;
  expect(titles({ view, readiness, machines: [machine] })).toEqual([
    'bad: The disk of the coordinator cannot be written',
    'bad: The users file cannot be read',
    'bad: user-me-linux-1 is dead',
    'warn: Files of buildlets cannot be read',
    'warn: user-me-linux-0 does not answer',
    'warn: 1 machine of ill is down',
    'warn: 3 requests wait for host-linux',
    'info: full is full',
    'info: 1 machine is drained',
  ]);
  expect(titles({ user: me, view, readiness, machines: [machine] })).not.toContainEqual(
    expect.stringMatching(/users file|Files of|drained/),
  );
  for (const { text, todo } of problemsOf({ ...facts, view, readiness })) {
    expect(text).toMatch(/^[A-Z].*\.$|^m1: refused\.$|^$/i);
    expect(todo).toMatch(/\.$/);
  }
});

it('the list of problems names a few of many', () => {
  const sessions = Array.from({ length: 1_000 }, (_, i) => ({
    ...{
      ...session,
      name: `user-me-linux-${i}`,
      health: 'silent' as const,
      reason: 'it is silent',
    },
  }));
  expect(titles({ view: { ...nothing, sessions } })).toEqual([
    ...Array.from({ length: 5 }, (_, i) => `warn: user-me-linux-${i} does not answer`),
    'warn: 995 more buildlets do not answer',
  ]);
});
