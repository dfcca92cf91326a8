import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import type { PullOptions } from '../../src/sync/pull/pull-options.ts';
import { push } from '../../src/sync/push/push.ts';
import type { PushOptions } from '../../src/sync/push/push-options.ts';
import { clientOf } from '../helpers/buildlet.ts';
import { startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { buildletProgram } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { directory, file, leftovers, plant, snapshot, type Tree } from '../tar/tree.ts';
import { type Kind, type PushBench, pushBench } from './push-helper.ts';

const { signal } = new AbortController();

const tree = (): Tree => [
  ['big', file(randomBytes(3 << 20))],
  [
    'd',
    directory([
      ['empty', file('')],
      ['f', file(randomBytes(60_000), 0o755)],
    ]),
  ],
];

const facts = (root: string): string[] =>
  snapshot(root).map((line) => line.replace(/( 4\d{4}) \d+ /, '$1 '));

/** A bench whose client is told that it shares files, its traffic being counted on the way. */
async function countedBench() {
  const bench = await pushBench({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  const cutter = await startCutter(bench.buildlet.address);
  const client = clientOf({ ...bench.buildlet, address: cutter.address }, '', {
    sharedDirectory: tmpdir(),
  });
  return {
    ...bench,
    passed: () => cutter.upBytes + cutter.downBytes,
    push: async (options: Partial<PushOptions> = {}) => {
      const [result] = await push([client], bench.top, { dir: 'tree', signal, ...options });
      if (result?.status !== 'fulfilled') throw result?.reason;
      return result.value;
    },
    pull: (to: string, options: Partial<PullOptions> = {}) =>
      pull(client, to, { dir: 'tree', signal, ...options }),
  };
}

describe('the contents that a push names', () => {
  it('do not pass through the socket, and count as sent', async () => {
    const bench = await countedBench();
    plant(bench.top, tree());
    let sentBytes = 0;
    const onSent = (bytes: number) => {
      sentBytes += bytes;
    };
    const bytes = (3 << 20) + 60_000;
    const pushed = await bench.push({ onSent });
    expect(pushed).toMatchObject({ files: 3, bytes });
    expect(sentBytes).toBe(bytes);
    expect(pushed.wireBytes).toBeLessThan(2000);
    const to = join(temporaryDirectory(), 'here');
    const pulled = await bench.pull(to);
    expect(pulled).toMatchObject({ files: 3, bytes });
    expect(pulled.wireBytes).toBeLessThan(2000);
    expect(bench.passed()).toBeGreaterThan(pushed.wireBytes + pulled.wireBytes);
    expect(bench.passed()).toBeLessThan(6000);
    expect(facts(bench.there)).toEqual(facts(bench.top));
    expect(facts(to)).toEqual(facts(bench.top));
  });

  it('are sent when a compression is requested', async () => {
    const bench = await countedBench();
    plant(bench.top, tree());
    expect((await bench.push({ compress: 'none' })).wireBytes).toBeGreaterThan(3 << 20);
    const to = join(temporaryDirectory(), 'here');
    expect((await bench.pull(to, { compress: 'none' })).wireBytes).toBeGreaterThan(3 << 20);
    expect(facts(to)).toEqual(facts(bench.top));
  });

  it('are known afterwards by the digests of the buildlet', async () => {
    const bench = await countedBench();
    plant(bench.top, tree());
    const cacheDirectory = temporaryDirectory();
    await bench.push({ cacheDirectory });
    appendFileSync(join(bench.top, 'd/empty'), 'x');
    renameSync(join(bench.top, 'd/f'), join(bench.top, 'd/g'));
    const before = bench.passed();
    expect(await bench.push({ cacheDirectory })).toMatchObject({ files: 2, bytes: 60_001 });
    expect(bench.passed() - before).toBeLessThan(3000);
    expect(facts(bench.there)).toEqual(facts(bench.top));
    expect((await bench.push()).changes).toEqual([]);
  });

  it('are found below a link to the directory', async () => {
    const bench = await pushBench({ sharesFiles: true });
    plant(bench.top, tree());
    const real = join(bench.buildlet.workDir, 'real');
    mkdirSync(real);
    symlinkSync('real', bench.there);
    await bench.push();
    // A change of what is there already goes file by file.
    writeFileSync(join(bench.top, 'big'), randomBytes(2 << 20));
    await bench.push();
    expect(facts(real)).toEqual(facts(bench.top));
    const to = join(temporaryDirectory(), 'here');
    await bench.pull(to);
    expect(facts(to)).toEqual(facts(bench.top));
  });
});

describe.each<[string, Kind]>([
  ['sent', {}],
  ['named', { sharesFiles: true }],
])('a file whose content is %s', (_, kind) => {
  const withTree = async (): Promise<PushBench> => {
    const bench = await pushBench(kind);
    plant(bench.top, tree());
    return bench;
  };

  it.each<[string, (top: string) => void, string[]]>([
    ['grows', (top) => appendFileSync(join(top, 'd/f'), 'x'), []],
    ['shrinks', (top) => writeFileSync(join(top, 'big'), 'x'), []],
    ['goes', (top) => rmSync(join(top, 'd/f')), []],
    [
      'is behind a link in place of its directory',
      (top) => {
        const elsewhere = join(temporaryDirectory(), 'd');
        renameSync(join(top, 'd'), elsewhere);
        symlinkSync(elsewhere, join(top, 'd'));
      },
      ['d'],
    ],
    [
      'becomes a pipe that nobody writes to',
      (top) => {
        rmSync(join(top, 'd/f'));
        execFileSync('mkfifo', [join(top, 'd/f')]);
      },
      [],
    ],
    [
      'becomes a directory',
      (top) => {
        rmSync(join(top, 'd/f'));
        mkdirSync(join(top, 'd/f'));
      },
      [],
    ],
  ])('has its final state when it %s while it is sent', async (__, change, unsent) => {
    const { top, there, push: pushOnce } = await withTree();
    let isChanged = false;
    const onPlan = () => {
      if (!isChanged) change(top);
      isChanged = true;
    };
    expect([...(await pushOnce({ onPlan })).unsent.keys()]).toEqual(unsent);
    for (const path of unsent) rmSync(join(top, path));
    if (lstatSync(join(top, 'd/f'), { throwIfNoEntry: false })?.isFIFO()) rmSync(join(top, 'd/f'));
    await pushOnce();
    expect(leftovers(dirname(there))).toEqual([]);
    expect(facts(there)).toEqual(facts(top));
  });

  it('is named, and does not stop the rest, when it grows all the time', async () => {
    const { top, there, push: pushOnce } = await withTree();
    await pushOnce();
    const before = readFileSync(join(there, 'd/f'));
    writeFileSync(join(top, 'z'), 'new');
    const grow = () => appendFileSync(join(top, 'd/f'), 'x');
    grow();
    const { unsent } = await pushOnce({ onPlan: grow });
    expect([...unsent].map(([path, { message }]) => [path, message])).toEqual([
      ['d/f', '"d/f" changed while it was read'],
    ]);
    expect(readFileSync(join(there, 'z'), 'utf8')).toBe('new');
    expect(readFileSync(join(there, 'd/f'))).toEqual(before);
    await pushOnce();
    expect(facts(there)).toEqual(facts(top));
  });

  it('leaves no partial file after a cancelled push', async () => {
    const { top, there, push: pushOnce } = await withTree();
    writeFileSync(join(top, 'z'), randomBytes(30 << 20));
    const gaveUp = new AbortController();
    const failing = pushOnce({ signal: gaveUp.signal, onSent: () => gaveUp.abort() });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await pushOnce();
    expect(facts(there)).toEqual(facts(top));
    expect(leftovers(there)).toEqual([]);
  });
});

describe('a buildlet that sees other files by the same names', () => {
  const isRoot = process.getuid?.() === 0 && process.platform === 'linux';

  /** A buildlet with file systems of its own in place of the directories. */
  async function startApart(...directories: readonly string[]): Promise<BuildletClient> {
    const socket = join(temporaryDirectory(), 'socket');
    const [workDir = ''] = directories;
    const mounts = directories
      .map((path) => `mount -t tmpfs -o mode=700 tmpfs '${path}' &&`)
      .join(' ');
    const start = `${mounts} exec '${process.execPath}' '${buildletProgram}' --listen 'unix:${socket}' --workdir '${workDir}'`;
    const child = spawn('unshare', ['--mount', 'sh', '-c', start], { stdio: 'ignore' });
    onTestFinished(() => void child.kill());
    await until(() => existsSync(socket));
    const client = new BuildletClient(`unix:${socket}`, undefined, { sharedDirectory: tmpdir() });
    onTestFinished(() => client.disconnect());
    return client;
  }

  it.runIf(isRoot)('is sent them, and sends its own', async () => {
    const [workDir, top] = [temporaryDirectory(), temporaryDirectory()];
    plant(top, tree());
    const client = await startApart(workDir, top);
    const options = { dir: 'tree', signal };
    for (const name of ['first', 'changed']) {
      writeFileSync(join(top, name), randomBytes(1 << 20));
      const [result] = await push([client], top, options);
      expect(result).toMatchObject({ status: 'fulfilled' });
    }
    expect(readdirSync(workDir)).toEqual([]);
    mkdirSync(join(workDir, 'tree'));
    writeFileSync(join(workDir, 'tree/ours'), 'here only');
    const to = join(temporaryDirectory(), 'here');
    const pulled = await pull(client, to, options);
    expect(pulled.wireBytes).toBeGreaterThan(3 << 20);
    expect(facts(to)).toEqual(facts(top));
    expect(readFileSync(join(to, 'first')).equals(readFileSync(join(top, 'first')))).toBe(true);
  });
});
