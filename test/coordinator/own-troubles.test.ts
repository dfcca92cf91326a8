// What is wrong with the coordinator itself, its configuration or its disk ends neither it nor anybody's buildlet.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Pool } from '../../src/coordinator/pools/pool.ts';
import {
  MachineConnections,
  type MachineLoss,
} from '../../src/coordinator/sessions/machine-connections.ts';
import { MachineRuns } from '../../src/coordinator/sessions/machine-runs.ts';
import type { Session } from '../../src/coordinator/sessions/session.ts';
import { SessionBook } from '../../src/coordinator/state/session-book.ts';
import { GomoteError, isOwnShortage } from '../../src/errors.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const session: Session = {
  ...{ name: 'user-me-linux-0', owner: 'me', builderType: 'linux', hostType: 'host-linux' },
  ...{ state: 'running', createdMs: 0, expiresMs: 0, isClaimed: true, machine: 'm' },
};

const errno = (code: string): Error => Object.assign(new Error(code), { code });

/** Looks five times at a machine whose connection, or pool, fails so; who died of it, and what was logged. */
async function lookAt(fails: {
  readonly connect?: () => unknown;
  readonly explain?: () => unknown;
}) {
  const deaths: MachineLoss[] = [];
  const events: string[] = [];
  const pool = {
    connect: async () => {
      throw fails.connect?.();
    },
    explain: async (_id: string, error: GomoteError) => {
      if (fails.explain !== undefined) throw fails.explain();
      return error;
    },
  } as unknown as Pool;
  const machines = new MachineConnections({
    graceMs: 0,
    probeTimeoutMs: 10_000,
    poolOf: () => pool,
    onDead: (_name, _reason, how) => deaths.push(how),
    onHealth: () => undefined,
    isRunning: () => true,
    withArguments: true,
    log: { write: (event) => events.push(event) },
  });
  const lost = new GomoteError('ERR_CONNECT', 'lost');
  for (let count = 0; count < 5; count++) await machines.suspect(session, lost);
  const health = machines.healthOf(session.name);
  await machines.close();
  return { deaths, events, health };
}

describe('a machine', () => {
  const shortages = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOBUFS', 'EADDRNOTAVAIL'];

  it.each(shortages)('is not declared dead for the coordinator’s own %s', async (code) => {
    const wrapped = [
      errno(code),
      new GomoteError('ERR_CONNECT', 'x', { cause: errno(code) }),
      new GomoteError('ERR_CONNECT', 'x', { cause: new Error('y', { cause: errno(code) }) }),
      new GomoteError('ERR_CONNECT', 'x', {
        cause: new AggregateError([errno('EIO'), errno(code)]),
      }),
    ];
    for (const error of wrapped) {
      const { deaths, health, events } = await lookAt({ connect: () => error });
      expect({ deaths, health }).toEqual({ deaths: [], health: 'unknown' });
      expect(new Set(events)).toEqual(new Set(['trouble']));
    }
  });

  it.each([
    ['its pool’s configuration', () => new GomoteError('ERR_CONFIG', 'there is no pool')],
    ['the platform’s API', () => new GomoteError('ERR_UNAVAILABLE', 'try later')],
    ['a password file that cannot be read', () => errno('EACCES')],
  ])('does not die of %s', async (_, connect) => {
    expect((await lookAt({ connect })).deaths).toEqual([]);
  });

  it('is declared dead after three failures to answer, even if its platform does not answer', async () => {
    const connect = () => new GomoteError('ERR_CONNECT', 'x', { cause: errno('ECONNREFUSED') });
    expect((await lookAt({ connect })).deaths).toContain('silent');
    const explain = () => errno('EMFILE');
    const { deaths, events } = await lookAt({ connect, explain });
    expect(deaths).toContain('silent');
    expect(events).toContain('trouble');
  });

  it('is not declared dead for an error of another kind', () => {
    for (const other of [undefined, 'EMFILE', errno('ECONNRESET'), new Error('EMFILE')]) {
      expect(isOwnShortage(other)).toBe(false);
    }
  });
});

describe('a session whose pool has left the configuration', () => {
  it('stays, is reported as unreachable with the reason, and can be destroyed', async () => {
    const coordinator = await startCoordinator({
      toml: 'probe-interval = "50ms"',
      machines: 1,
      prepare: (directory) => {
        const stray = { ...session, hostType: 'host-gone', createdMs: Date.now() };
        const expiresMs = Date.now() + 3_600_000;
        const path = join(directory, 'state', 'sessions');
        mkdirSync(path, { mode: 0o700 });
        writeFileSync(join(path, `${session.name}.json`), JSON.stringify({ ...stray, expiresMs }));
      },
    });
    const me = coordinator.client('me');
    const looks = () => coordinator.log.filter(({ event }) => event === 'trouble').length;
    await until(() => looks() >= 5);
    expect((await me.remoteBuildlets()).map(({ name }) => name)).toEqual([session.name]);
    await expect(me.namedBuildlet(session.name).status()).rejects.toThrow(
      'its pool is not in the configuration any more',
    );
    await me.namedBuildlet(session.name).halt();
    expect(await me.remoteBuildlets()).toEqual([]);
    const another = await me.createBuildlet('linux');
    await another.disconnect();
  });
});

describe('the book of sessions', () => {
  it('reports that a session could not be written, and writes it once it can', async () => {
    const directory = join(temporaryDirectory(), 'sessions');
    mkdirSync(directory);
    const book = await SessionBook.open(directory, () => undefined);
    renameSync(directory, `${directory}-away`);
    await expect(book.save(session)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      cause: { code: 'ENOENT' },
    });
    const other = { ...session, name: 'user-me-linux-1' };
    book.note(other);
    await expect(book.flush()).rejects.toMatchObject({ cause: { code: 'ENOENT' } });
    renameSync(`${directory}-away`, directory);
    await book.flush();
    for (const one of [session, other]) {
      expect(JSON.parse(readFileSync(join(directory, `${one.name}.json`), 'utf8'))).toEqual(one);
    }
  });

  it('keeps what was noted while an earlier state was being written', async () => {
    const directory = temporaryDirectory();
    const book = await SessionBook.open(directory, () => undefined);
    const path = join(directory, `${session.name}.json`);
    const saving = book.save(session);
    // Past the moment at which the write has read the state to write.
    await new Promise(setImmediate);
    book.note({ ...session, expiresMs: 7 });
    await saving;
    await book.flush();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ expiresMs: 7 });
  });

  it('that cannot be written does not end a coordinator, nor does its machine count as lost', async () => {
    const coordinator = await startCoordinator({ machines: 1 });
    const sessions = join(coordinator.directory, 'state', 'sessions');
    const me = coordinator.client('me');
    const made = await me.createBuildlet('linux');
    onTestFinished(() => made.disconnect());
    renameSync(sessions, `${sessions}-away`);
    onTestFinished(() => rmSync(`${sessions}-away`, { recursive: true, force: true }));
    expect((await made.status()).version).toBe(11);
    // A file that the coordinator misses is none that the user asked for, and its path is nobody's business.
    await expect(me.createBuildlet('linux')).rejects.toMatchObject({
      code: 'ERR_STATUS',
      status: 500,
      message: expect.not.stringContaining(coordinator.directory),
    });
    expect((await made.status()).version).toBe(11);
    renameSync(`${sessions}-away`, sessions);
    await made.halt();
  });
});

describe('a machine’s list of its runs', () => {
  const run = { id: 'a', command: ['make'], running: true, started: '2026-11-24T00:00:00Z' };
  const told = (reply: unknown) => {
    const runs = new MachineRuns();
    runs.take(typeof reply === 'string' ? reply : JSON.stringify(reply));
    return runs.all;
  };

  it('is read run by run: an invalid one does not hide the others', () => {
    const odd: object[] = [
      { ...run, id: '' },
      { ...run, id: '../x' },
      { ...run, id: 'x'.repeat(65) },
      { ...run, id: 7 },
      { ...run, command: [] },
      { ...run, command: 'make' },
      { ...run, command: [7] },
      { ...run, started: 'yesterday' },
      { ...run, started: 7 },
      { ...run, running: 'yes' },
      { ...run, running: false },
      [],
    ];
    for (const one of odd) expect(told([one, run]).map(({ id }) => id)).toEqual(['a']);
    for (const reply of ['', 'null', '{}', '7', '"x"', '[', { 0: run }, [null, 7]]) {
      expect(told(reply)).toEqual([]);
    }
  });

  it('is shown without control characters, with limits for commands and runs', () => {
    const [shown] = told([{ ...run, command: ['\x1b[2Jmake\n', 'x'.repeat(1_000_000)] }]);
    expect(shown?.command[0]).toBe('\\x1b[2Jmake\\n');
    expect(shown?.command[1]?.length).toBeLessThan(1_000);
    const many = Array.from({ length: 5_000 }, (_, i) => ({ ...run, id: `run-${i}` }));
    expect(told(many).length).toBe(1_000);
    expect(told([{ ...run, started: '9999-01-01T00:00:00Z' }])[0]?.startedMs).toBeLessThanOrEqual(
      Date.now(),
    );
  });
});
