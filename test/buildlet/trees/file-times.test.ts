import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Kind, pushBench } from '../../sync/push-helper.ts';

const timeOf = (...path: string[]): number => Math.floor(lstatSync(join(...path)).mtimeMs);
const setTime = (ms: number, ...path: string[]): void =>
  utimesSync(join(...path), ms / 1000 + 1e-6, ms / 1000 + 1e-6);

const makefile = 'out: a.c b.c\n\tcat a.c b.c >out\n';

describe.each<[string, Kind]>([
  ['sent', {}],
  ['named', { sharesFiles: true }],
])('the time of a file whose content is %s', (_, kind) => {
  const built = async () => {
    const bench = await pushBench(kind);
    const { top, client, push } = bench;
    writeFileSync(join(top, 'Makefile'), makefile);
    writeFileSync(join(top, 'a.c'), 'a');
    writeFileSync(join(top, 'b.c'), 'b');
    await push();
    const make = async () => {
      const { exitCode } = await client.exec('make', { dir: 'tree', systemLevel: true });
      expect(exitCode).toBe(0);
      return timeOf(bench.there, 'out');
    };
    return { ...bench, make, first: await make() };
  };

  it('is that of the file here when the tree is new', async () => {
    const { top, there, client, push } = await pushBench(kind);
    await client.exec('true', { systemLevel: true });
    for (const name of ['a', 'b']) writeFileSync(join(top, name), name);
    setTime(1_600_000_000_123, top, 'a');
    await push();
    expect(['a', 'b'].map((name) => timeOf(there, name))).toEqual([
      1_600_000_000_123,
      timeOf(top, 'b'),
    ]);
  });

  it.each([0, -86_400_000])('is that of the file here before any command, also %d', async (ms) => {
    const { top, there, push } = await pushBench(kind);
    writeFileSync(join(top, 'a'), 'a');
    await push();
    writeFileSync(join(top, 'b'), 'b');
    const time = new Date(ms);
    for (const name of ['a', 'b']) utimesSync(join(top, name), time, time);
    await push();
    expect(['a', 'b'].map((name) => timeOf(there, name))).toEqual([ms, ms]);
  });

  it('is that of the file here when it was changed after the last command', async () => {
    const { top, there, make, push } = await built();
    const later = Date.now() + 5_000;
    setTime(later, top, 'a.c');
    writeFileSync(join(top, 'b.c'), 'new');
    setTime(later + 1, top, 'b.c');
    await push();
    expect([timeOf(there, 'a.c'), timeOf(there, 'b.c')]).toEqual([later, later + 1]);
    expect(await make()).toBeGreaterThan(0);
  });

  it.each<[string, (top: string) => void]>([
    ['touched', (top) => setTime(Date.now() + 10, top, 'a.c')],
    [
      'changed, and looks older than what was built',
      (top) => {
        writeFileSync(join(top, 'a.c'), 'changed');
        setTime(1_500_000_000_000, top, 'a.c');
      },
    ],
    [
      'replaced by an older one',
      (top) => {
        writeFileSync(join(top, 'old.c'), 'old');
        setTime(1_500_000_000_000, top, 'old.c');
        renameSync(join(top, 'old.c'), join(top, 'a.c'));
      },
    ],
  ])('makes a build run again when the file was %s', async (__, change) => {
    const { top, there, make, push } = await built();
    const before = lstatSync(join(there, 'out'), { bigint: true }).mtimeNs;
    change(top);
    await push();
    await make();
    expect(lstatSync(join(there, 'out'), { bigint: true }).mtimeNs).not.toBe(before);
    expect((await push()).changes).toEqual([]);
    expect((await push({ cacheDirectory: undefined })).changes).toEqual([]);
    expect((await push({ mirror: true, exclude: ['out'] })).changes).toEqual([]);
  });

  it('is the same for all that a push changes', async () => {
    const { top, there, push } = await built();
    mkdirSync(join(top, 'd'));
    for (const name of ['a.c', 'b.c', 'd/new']) {
      writeFileSync(join(top, name), 'changed');
      setTime(1_500_000_000_000, top, name);
    }
    await push();
    const times = ['a.c', 'b.c', 'd/new'].map((name) => timeOf(there, name));
    expect(new Set(times).size).toBe(1);
    expect(times[0]).toBeGreaterThan(1_500_000_000_000);
  });

  it('is not changed by a push from elsewhere that changes nothing', async () => {
    const { top, there, make, first, push } = await built();
    const times = () => ['a.c', 'b.c'].map((name) => timeOf(there, name));
    const before = times();
    for (const cacheDirectory of [undefined, join(top, '..', 'none')]) {
      expect((await push({ cacheDirectory })).changes).toEqual([]);
    }
    expect(times()).toEqual(before);
    expect(await make()).toBe(first);
    execFileSync('touch', [join(top, 'a.c')]);
    expect((await push({ cacheDirectory: undefined })).changes).toHaveLength(1);
  });
});
