// How limits on what commands use are enforced: by a control group where one can be made, else by each process's own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfinement } from '../../src/buildlet/confinement.ts';
import { applyLimits } from '../../src/buildlet/limits.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A file system in which this process is in a control group of version 2. */
function machineWith(controllers: string): string {
  const root = temporaryDirectory();
  const place = join(root, 'sys/fs/cgroup/user.slice/app.slice');
  mkdirSync(join(place, 'own.scope'), { recursive: true });
  mkdirSync(join(root, 'proc/self'), { recursive: true });
  writeFileSync(join(root, 'proc/self/cgroup'), '0::/user.slice/app.slice/own.scope\n');
  for (const file of ['cgroup.controllers', 'cgroup.subtree_control']) {
    writeFileSync(join(place, file), controllers);
  }
  // What the kernel would put into a new group is there before: it is made with the number of this process.
  const group = join(place, `gomote-${process.pid}`);
  mkdirSync(group);
  for (const file of controllers.includes('memory')
    ? ['memory.max', 'memory.swap.max', 'memory.events']
    : []) {
    writeFileSync(join(group, file), '');
  }
  for (const file of controllers.includes('pids') ? ['pids.max'] : [])
    writeFileSync(join(group, file), '');
  writeFileSync(join(group, 'cgroup.controllers'), controllers);
  return root;
}

const groupIn = (root: string) =>
  join(root, 'sys/fs/cgroup/user.slice/app.slice', `gomote-${process.pid}`);

const limits = { memoryBytes: 1 << 30, cpus: 1.5, pids: 100 };

describe('limits', () => {
  it('are those of a control group beside that of the buildlet, as far as there are controllers', () => {
    const root = machineWith('memory pids');
    const applied = applyLimits(limits, { whose: 'nobody', root });
    expect(applied.enforced).toEqual([
      { resource: 'memory', limit: 1 << 30, by: 'cgroup' },
      { resource: 'cpus', limit: 1.5, by: 'nothing' },
      { resource: 'pids', limit: 100, by: 'cgroup' },
    ]);
    const read = (file: string) => readFileSync(join(groupIn(root), file), 'utf8');
    expect([read('memory.max'), read('memory.swap.max'), read('pids.max')]).toEqual([
      String(1 << 30),
      '0',
      '100',
    ]);
    expect(applied.limitProcess).toEqual([]);
    expect(applied.enterGroup.at(-1)).toBe(join(groupIn(root), 'cgroup.procs'));
    writeFileSync(join(groupIn(root), 'memory.events'), 'low 0\noom 2\noom_kill 1\n');
    expect(applied.countMemoryKills()).toBe(1);
  });

  it('put each command of an unconfined buildlet into a group of its own, which shows its usage', () => {
    const root = machineWith('memory pids');
    writeFileSync(join(groupIn(root), 'cgroup.subtree_control'), '');
    const { runGroups } = applyLimits(limits, { whose: 'everybody', root });
    expect(readFileSync(join(groupIn(root), 'cgroup.subtree_control'), 'utf8')).toBe('+memory');
    const [one, two] = [runGroups?.make(), runGroups?.make()];
    expect(readdirSync(groupIn(root))).toEqual(
      expect.arrayContaining(['others', 'run-1', 'run-2']),
    );
    const sampled = { cpuMs: 10, peakMemoryBytes: 1, memoryBy: 'sampled' } as const;
    expect(one?.usage(sampled)).toEqual(sampled);
    writeFileSync(join(one?.path ?? '', 'cpu.stat'), 'usage_usec 1234567\nuser_usec 1\n');
    expect(one?.usage(sampled)).toEqual({ ...sampled, cpuMs: 1_235 });
    writeFileSync(join(one?.path ?? '', 'memory.peak'), '4096000\n');
    expect(one?.usage(sampled)).toEqual({
      ...{ cpuMs: 1_235, peakMemoryBytes: 4_096_000, memoryBy: 'cgroup' },
    });
    two?.release();
    expect(existsSync(two?.path ?? '')).toBe(false);
  });

  it('put all commands of a sandbox into one group', () => {
    const root = machineWith('memory pids');
    writeFileSync(join(groupIn(root), 'cgroup.subtree_control'), '');
    expect(applyLimits(limits, { whose: 'nobody', root }).runGroups).toBeUndefined();
  });

  it('apply to each process where no group can be made, and the status names those that nothing enforces', () => {
    const applied = applyLimits(limits, { whose: 'nobody', root: temporaryDirectory() });
    const isRoot = process.getuid?.() === 0;
    expect(applied.enforced).toEqual([
      { resource: 'memory', limit: 1 << 30, by: 'process' },
      { resource: 'cpus', limit: 1.5, by: 'nothing' },
      { resource: 'pids', limit: 100, by: isRoot ? 'nothing' : 'process' },
    ]);
    expect(applied.enterGroup).toEqual([]);
    expect(applied.limitProcess).toContain(`--as=${1 << 30}`);
    expect(applied.countMemoryKills()).toBeUndefined();
  });

  it('are enforced by nothing where there is no prlimit either', () => {
    const place = {
      whose: 'buildlet',
      root: temporaryDirectory(),
      searchPath: '/no/such',
    } as const;
    const applied = applyLimits(limits, place);
    expect(applied.enforced.map(({ by }) => by)).toEqual(['nothing', 'nothing', 'nothing']);
    expect(applied.limitProcess).toEqual([]);
  });

  it('count only processes of the buildlet', () => {
    const applied = applyLimits({ pids: 100 }, { whose: 'everybody', root: temporaryDirectory() });
    expect(applied.enforced).toEqual([{ resource: 'pids', limit: 100, by: 'nothing' }]);
    expect(applied.limitProcess).toEqual([]);
  });

  it('count the threads of the buildlet where it has a user of its own', () => {
    const applied = applyLimits({ pids: 100 }, { whose: 'buildlet', root: temporaryDirectory() });
    const isRoot = process.getuid?.() === 0;
    expect(applied.enforced).toEqual([
      { resource: 'pids', limit: 100, by: isRoot ? 'nothing' : 'process' },
    ]);
    if (!isRoot)
      expect(applied.limitProcess).toEqual([
        expect.stringMatching(/^\/.*\/prlimit$/),
        '--nproc=132',
        '--',
      ]);
  });

  it('that nobody set create no control group', () => {
    const root = temporaryDirectory();
    expect(applyLimits({}, { whose: 'nobody', root }).enforced).toEqual([]);
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(groupIn(root))).toBe(false);
  });
});

describe('the options that confine commands', () => {
  it.each([
    [{ isolation: 'jail' }, '--isolation is none or bubblewrap, not "jail"'],
    [{ network: 'bridge' }, '--network is host or none, not "bridge"'],
    [{ firewall: 'on' }, '--firewall is run or machine, not "on"'],
    [{ memory: 'much' }, '--memory "much" is not a size'],
    [{ memory: '0' }, '--memory "0" is not a size'],
    [{ cpus: '-1' }, '--cpus "-1" is not a number above 0'],
    [{ pids: '0' }, '--pids "0" is not a number above 0'],
    [{ pids: '1.5' }, '--pids "1.5" is not a number above 0'],
    [{ 'read-only': ['/usr'] }, '/usr can be shown in a sandbox only'],
    [{ isolation: 'bubblewrap', 'read-only': ['usr'] }, '"usr" is not an absolute path'],
    [{ isolation: 'bubblewrap', writable: ['/no/such'] }, '"/no/such" is not there'],
  ])('are refused by the option as typed: %j', (values, message) => {
    expect(() => readConfinement(values, false)).toThrow(message);
  });

  it.each(['/', '/root/..', '/tmp', '/tmp/', '/run', '/proc', '/dev', '//dev/.'])(
    'refuse a directory that every sandbox has of its own: %j',
    (path) => {
      for (const option of ['writable', 'read-only']) {
        const values = { isolation: 'bubblewrap', [option]: [path] };
        const refusal = `"${path}" cannot be shown in a sandbox`;
        expect(() => readConfinement(values, false)).toThrow(refusal);
      }
    },
  );

  it('accept sizes with units', () => {
    expect(readConfinement({ memory: '4g' }, false).limits.memoryBytes).toBe(4 * (1 << 30));
    expect(readConfinement({}, true).firewall).toBe('machine');
  });
});
