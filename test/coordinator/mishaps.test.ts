// What happens to the state of a coordinator: full disks, damaged files, and clocks that are set.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Log } from '../../src/coordinator/log.ts';
import type { MachineAllocator } from '../../src/coordinator/pools/machine-allocator.ts';
import type { MachineConnections } from '../../src/coordinator/sessions/machine-connections.ts';
import type { Session } from '../../src/coordinator/sessions/session.ts';
import { SessionTransitions } from '../../src/coordinator/sessions/session-transitions.ts';
import { SessionBook } from '../../src/coordinator/state/session-book.ts';
import { all } from '../helpers/collect.ts';
import { ask, startCoordinator, type TestCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const admin = { me: { maximum: 1 }, root: { role: 'admin' as const } };

const sessionsOf = ({ directory }: TestCoordinator): string => join(directory, 'state', 'sessions');

/** Nothing can be written for the session, as on a full disk: its next file is in the way. */
function block(coordinator: TestCoordinator, name: string): () => void {
  const path = join(sessionsOf(coordinator), `${name}.json.partial`);
  mkdirSync(path);
  return () => rmSync(path, { recursive: true });
}

const ready = async (coordinator: TestCoordinator) => {
  const { status, text } = await ask(coordinator, '/readyz');
  return `${status} ${text}`;
};

const metric = async (coordinator: TestCoordinator, what: string): Promise<string | undefined> => {
  const { text } = await ask(coordinator, '/metrics', { user: 'root' });
  return new RegExp(`^gomote_trouble\\{what="${what}"\\} (.*)$`, 'm').exec(text)?.[1];
};

/** As `coordinator machine list` has it. */
const machines = async (coordinator: TestCoordinator) =>
  await coordinator.client('root').machines();

describe('a disk that cannot be written', () => {
  it('keeps no session that its owner has destroyed, and does not count it against a quota', async () => {
    const coordinator = await startCoordinator({ users: admin, machines: 1 });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    await until(async () =>
      readFileSync(join(sessionsOf(coordinator), `${name}.json`), 'utf8').includes(
        '"isClaimed":true',
      ),
    );
    const unblock = block(coordinator, name);
    await me.namedBuildlet(name).halt();
    expect(await me.remoteBuildlets()).toEqual([]);
    expect(readdirSync(sessionsOf(coordinator))).not.toContain(`${name}.json`);
    unblock();
    expect((await me.requestBuildlet('linux')).name).not.toBe(name);
  });

  it('holds a session that cannot be removed as ending until it can, and its machine with it', async () => {
    const toml = 'limits = { idle = "400ms", maximum = "2h" }';
    const coordinator = await startCoordinator({ users: admin, machines: 2, toml });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    const path = join(sessionsOf(coordinator), `${name}.json`);
    rmSync(path);
    mkdirSync(join(path, 'x'), { recursive: true });
    await until(async () => coordinator.log.some(({ what }) => `${what}`.includes('ending')));
    expect(await me.remoteBuildlets()).toEqual([]);
    const next = await me.requestBuildlet('linux');
    expect(next.name).not.toBe(name);
    rmSync(path, { recursive: true });
    const { pools } = coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
    expect(pools[0]?.lent).toBe(2);
    await until(async () => {
      const view = coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
      return !view.sessions.some((one) => one.name === name);
    });
  });

  it('keeps the machine of a session that died until that is written', async () => {
    const directory = temporaryDirectory();
    const session: Session = {
      ...{ name: 'user-me-linux-0', owner: 'me', builderType: 'linux', hostType: 'host-linux' },
      ...{ state: 'running', createdMs: 0, expiresMs: 0, isClaimed: true, machine: 'm' },
    };
    const book = await SessionBook.open(directory, () => undefined);
    await book.save(session);
    const returned: string[] = [];
    const said: unknown[] = [];
    const log: Log = { write: (_event, fields = {}) => said.push(fields.what) };
    const sessions = new SessionTransitions({
      ...{ book, log, audit: log, limits: { idleMs: 1, maximumMs: 1 } },
      allocatorOf: () =>
        ({ giveBack: async (id: string) => returned.push(id) }) as unknown as MachineAllocator,
      machines: { drop: async () => undefined } as unknown as MachineConnections,
      ...{ isShared: () => false, onChange: () => undefined, onEnded: () => undefined },
    });
    const partial = join(directory, `${session.name}.json.partial`);
    mkdirSync(partial);
    sessions.died(session.name, 'gone');
    await until(() => said.some((what) => `${what}`.startsWith('writing')));
    expect(book.get(session.name)?.state).toBe('dead');
    expect(returned).toEqual([]);
    rmSync(partial, { recursive: true });
    await until(() => returned.length === 1);
    expect(readFileSync(join(directory, `${session.name}.json`), 'utf8')).toContain('"dead"');
  });

  it('makes the coordinator unready, with the reason, and the coordinator recovers by itself', async () => {
    const coordinator = await startCoordinator({ users: admin });
    await until(async () => (await ready(coordinator)) === '200 ready\n');
    expect(await metric(coordinator, 'disk')).toBe('0');
    const path = join(sessionsOf(coordinator), 'check.partial.partial');
    mkdirSync(path);
    await until(async () => (await ready(coordinator)).startsWith('503'));
    expect(await ready(coordinator)).toBe('503 not ready: disk: the state cannot be written\n');
    expect(await metric(coordinator, 'disk')).toBe('1');
    rmSync(path, { recursive: true });
    await until(async () => (await ready(coordinator)) === '200 ready\n');
  });
});

describe('a users file that is damaged', () => {
  it('locks nobody out, and is reported in the log, by readyz and as a metric', async () => {
    const coordinator = await startCoordinator({ users: admin });
    await until(async () => (await ready(coordinator)) === '200 ready\n');
    const me = coordinator.client('me');
    expect(await me.remoteBuildlets()).toEqual([]);
    const path = join(coordinator.directory, 'state', 'users.json');
    const good = readFileSync(path);
    writeFileSync(path, '{"users": {');
    expect(await me.remoteBuildlets()).toEqual([]);
    expect(await ready(coordinator)).toMatch(/^200 ready: users: the users file cannot be read/);
    expect(await metric(coordinator, 'users')).toBe('1');
    expect(coordinator.log).toContainEqual({
      event: 'trouble',
      what: expect.stringContaining(path),
      hint: expect.any(String),
    });
    writeFileSync(path, good);
    expect(await ready(coordinator)).toBe('200 ready\n');
    expect(coordinator.log.map(({ event }) => event)).toContain('users-read');
  });
});

describe('a session file that is damaged', () => {
  const damages: [string, (whole: string) => string, boolean][] = [
    ['is cut short', (whole) => whole.slice(0, -1), true],
    ['lost its end', (whole) => whole.slice(0, 40), false],
    ['is empty', () => '', false],
    ['is all zeros', (whole) => '\0'.repeat(whole.length), false],
    ['has a state that there is not', (whole) => whole.replace('"running"', '"flying"'), true],
  ];

  it.each(damages)(
    'which %s is set aside, and its machine left unchanged',
    async (_, damage, isFound) => {
      const coordinator = await startCoordinator({ users: admin, machines: 2 });
      const me = coordinator.client('me');
      const { name } = await me.requestBuildlet('linux');
      await me.namedBuildlet(name).put('kept', 'work', 0o644);
      const path = join(sessionsOf(coordinator), `${name}.json`);
      let whole = '';
      await coordinator.restart(() => {
        whole = readFileSync(path, 'utf8');
        writeFileSync(path, damage(whole));
      });
      await until(async () => (await ready(coordinator)).startsWith('200'));
      expect(await ready(coordinator)).toContain('sessions that cannot be read: 1');
      expect(await metric(coordinator, 'sessions')).toBe('1');
      expect(coordinator.log.map(({ event }) => event)).toContain('unread-session');
      const { pools } = coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
      // Where the machine cannot be made out, any that nobody holds may be it.
      expect(pools[0]?.lent).toBe(isFound ? 1 : 2);
      const isIt = isFound ? 'is' : 'may be';
      const reason = `kept: it ${isIt} the machine of ${name}, whose file cannot be read`;
      const kept = (await machines(coordinator)).filter((row) => row.reason === reason);
      expect(kept.map(({ state }) => state)).toEqual(isFound ? ['in use'] : ['in use', 'in use']);
      expect(readdirSync(sessionsOf(coordinator))).toContain(`${name}.json.broken`);
      if (isFound) expect((await me.requestBuildlet('linux')).name).not.toBe(name);
      await coordinator.restart(() => {
        for (const file of readdirSync(sessionsOf(coordinator))) {
          if (file.startsWith(name)) rmSync(join(sessionsOf(coordinator), file));
        }
        writeFileSync(path, whole);
      });
      expect(await ready(coordinator)).not.toContain('sessions');
      const entries = await all(me.namedBuildlet(name).listDir(''));
      expect(entries.map((entry) => entry.name)).toContain('work');
    },
  );
});

describe('the machine of a session that cannot be read', () => {
  it('is reported to waiting users, and is down everywhere once it does not answer', async () => {
    const toml = 'probe-interval = "100ms"';
    const coordinator = await startCoordinator({ users: admin, machines: 1, toml });
    const me = coordinator.client('me');
    const { name } = await me.requestBuildlet('linux');
    await coordinator.restart(() => {
      writeFileSync(join(sessionsOf(coordinator), `${name}.json`), '');
    });
    const root = coordinator.client('root');
    await until(async () => (await machines(coordinator))[0]?.state === 'in use');
    const steps: string[] = [];
    const signal = AbortSignal.timeout(60_000);
    const waiting = new AbortController();
    const create = root.createBuildlet('linux', {
      signal: AbortSignal.any([signal, waiting.signal]),
      onProgress: (step) => steps.push(step),
    });
    create.catch(() => undefined);
    await until(() => steps.some((step) => step.includes('1 kept for sessions whose files')));
    waiting.abort();
    await expect(create).rejects.toThrow('cancelled');
    const states = async () => {
      const { text } = await ask(coordinator, '/metrics', { user: 'root' });
      const rows = text.matchAll(/^gomote_pool_machines\{.*state="(\w+)"\} ([1-9])/gm);
      return [...rows].map(([, state, count]) => `${state} ${count}`);
    };
    expect(await states()).toEqual(['lent 1']);
    await coordinator.buildlets[0]?.close();
    await until(async () => (await machines(coordinator))[0]?.state === 'down');
    expect((await machines(coordinator))[0]?.reason).toMatch(
      new RegExp(`cannot reach .*: .*; kept: it may be the machine of ${name}, whose file`),
    );
    expect(await states()).toEqual(['down 1']);
    expect(await ready(coordinator)).toContain('1 of 1 machines cannot be lent');
    await expect(root.requestBuildlet('linux')).rejects.toThrow(/no machine of host-linux is up/);
  });

  it('is kept in its own pool alone', async () => {
    const sections = `
      [pools.others]
      kind = "static"
      host = "host-linux"
      machines = [{ address = "127.0.0.1:1" }]
      [pools.dialling]
      kind = "reverse"
      host = "host-linux"
      key-file = "keys"`;
    const coordinator = await startCoordinator({
      ...{ users: admin, machines: 1, sections },
      prepare: (directory) => writeFileSync(join(directory, 'keys'), 'key\n', { mode: 0o600 }),
    });
    const { name } = await coordinator.client('me').requestBuildlet('linux');
    const path = join(sessionsOf(coordinator), `${name}.json`);
    await coordinator.restart(() =>
      writeFileSync(path, readFileSync(path, 'utf8').replace('"running"', '"flying"')),
    );
    await until(async () => (await ready(coordinator)).startsWith('200'));
    const { pools } = coordinator.coordinator.views.of({ name: 'root', isAdmin: true });
    expect(pools.map((pool) => [pool.name, pool.lent])).toEqual([
      ['machines', 1],
      ['others', 0],
      ['dialling', 0],
    ]);
    const rows = await machines(coordinator);
    expect(rows.map(({ pool }) => pool)).toEqual(['machines', 'others']);
  });
});

describe('a clock that is set', () => {
  it.each([-86_400_000, 86_400_000])(
    'by %i ms ends no session and keeps none for longer',
    async (byMs) => {
      const toml = 'limits = { idle = "2s", maximum = "2h" }';
      const coordinator = await startCoordinator({ users: admin, toml });
      const me = coordinator.client('me');
      const { name } = await me.requestBuildlet('linux');
      const now = Date.now.bind(Date);
      vi.spyOn(Date, 'now').mockImplementation(() => now() + byMs);
      onTestFinished(() => void vi.restoreAllMocks());
      await until(async () => coordinator.log.some(({ event }) => event === 'clock-set'));
      expect((await me.remoteBuildlets()).map((one) => one.name)).toEqual([name]);
      await until(async () => (await me.remoteBuildlets()).length === 0);
    },
  );
});
