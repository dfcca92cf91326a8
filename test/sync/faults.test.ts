import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { errnoOf } from '../../src/errors.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import { push } from '../../src/sync/push/push.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { times } from '../helpers/counts.ts';
import { type Fault, startCutter } from '../helpers/cutter.ts';
import { randomNumbers } from '../helpers/random.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { directory, file, leftovers, plant, snapshot, type Tree } from '../tar/tree.ts';
import { onAllKinds } from './push-helper.ts';

/** How many faults there are of each kind of transfer: `npm run test:faults` has more. */
const cuts = times(5, 50);

const bytes = (size: number, seed: number): Buffer => {
  const next = randomNumbers(seed);
  return Buffer.from(Array.from({ length: size }, () => next(256)));
};

const tree = (seed: number): Tree => [
  ['big', file(bytes(300_000, seed))],
  [
    'd',
    directory(
      Array.from({ length: 40 }, (_, i) => [`f${i}`, file(bytes(i * 50, seed + i))] as const),
    ),
  ],
  ['exec', file('#!/bin/sh\n', 0o755)],
  [`only-${seed}`, file('x')],
];

const facts = (root: string): string[] =>
  snapshot(root).map((line) => line.replace(/^("(?:[^"\\]|\\.)*" \d+) \d+ /, '$1 '));

const ownFacts = (root: string): string[] =>
  facts(root).filter((line) => !line.startsWith('".gomote-'));

/** Contents by path. The other end may still be at it: what goes meanwhile is not there, nor is what has no name yet. */
const contents = (root: string): Map<string, string> => new Map(contentsBelow(root, ''));

const contentsBelow = (root: string, prefix: string): [path: string, content: string][] =>
  (unlessGone(() => readdirSync(join(root, prefix), { withFileTypes: true })) ?? []).flatMap(
    (entry) => {
      const path = `${prefix}${entry.name}`;
      if (entry.name.startsWith('.gomote-')) return [];
      if (entry.isDirectory()) return contentsBelow(root, `${path}/`);
      const content = entry.isFile() && unlessGone(() => readFileSync(join(root, path)));
      return content ? [[path, content.toString('base64')]] : [];
    },
  );

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Every file there is one of those it may be, whole. */
function expectOnlyWhole(root: string, allowed: readonly Map<string, string>[]): void {
  for (const [name, content] of contents(root)) {
    expect(allowed.map((one) => one.get(name))).toContain(content);
  }
}

const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

const faultKinds: Fault['kind'][] = ['drop', 'end', 'corrupt', 'split', 'stall'];

onAllKinds((kind) => {
  const { sharesFiles } = kind;
  const sharedDirectory = sharesFiles ? tmpdir() : undefined;
  const isOld = kind.features !== undefined;
  /** Where a fault may be: a stream that names its contents is short. */
  const streamBytes = sharesFiles ? 6_000 : 400_000;

  describe(`any of ${cuts} faults in the stream`, () => {
    it('of a push never leaves a wrong file, and the next push completes', async () => {
      const buildlet = await startBuildlet({ ...kind, address: loopback });
      const cutter = await startCutter(buildlet.address);
      const next = randomNumbers(7);
      const there = join(buildlet.workDir, 't');
      let before = temporaryDirectory();
      plant(before, tree(0));
      for (let round = 1; round <= cuts; round++) {
        const top = temporaryDirectory();
        plant(top, tree(round));
        const fault: Fault = {
          kind: faultKinds[round % faultKinds.length] ?? 'drop',
          direction: next(3) === 0 ? 'down' : 'up',
          afterBytes: next(next(2) === 0 ? 600 : streamBytes),
        };
        const run = async (withFault: boolean) => {
          cutter.plan = () => (withFault ? fault : undefined);
          const client = new BuildletClient(cutter.address, undefined, { sharedDirectory });
          onTestFinished(() => client.disconnect());
          const signal = AbortSignal.timeout(withFault ? 1500 : 20_000);
          try {
            return (await push([client], top, { dir: 't', signal }))[0]?.status;
          } finally {
            await client.disconnect();
            // Where it stalled, the buildlet would wait for the rest.
            cutter.drop();
          }
        };
        const status = await run(true);
        // A broken stream is never a success with something missing.
        if (status === 'fulfilled') expect(ownFacts(there)).toEqual(facts(top));
        else if (!isOld) expectOnlyWhole(there, [contents(before), contents(top)]);
        expect(await run(false)).toBe('fulfilled');
        // A buildlet without trees may still be about to find out that the first upload is over.
        const left = () => ({ fault, left: leftovers(there) });
        if (isOld) await expect.poll(left, { timeout: 60_000 }).toEqual({ fault, left: [] });
        else expect(left()).toEqual({ fault, left: [] });
        expect(ownFacts(there)).toEqual(facts(top));
        before = top;
      }
    }, 600_000);

    it('of a pull never leaves a wrong file, and the next pull completes', async () => {
      const buildlet = await startBuildlet({ ...kind, address: loopback });
      const cutter = await startCutter(buildlet.address);
      const next = randomNumbers(11);
      const there = join(buildlet.workDir, 't');
      const parent = temporaryDirectory();
      const to = join(parent, 'here');
      for (let round = 1; round <= cuts; round++) {
        rmSync(there, { recursive: true, force: true });
        plant(buildlet.workDir, [['t', directory(tree(round))]]);
        if (round % 2 === 0) rmSync(to, { recursive: true, force: true });
        const before = contents(to);
        const fault: Fault = {
          kind: faultKinds[round % faultKinds.length] ?? 'drop',
          direction: next(4) === 0 ? 'up' : 'down',
          afterBytes: next(next(2) === 0 ? 600 : streamBytes),
        };
        const run = async (withFault: boolean): Promise<boolean> => {
          cutter.plan = () => (withFault ? fault : undefined);
          const client = new BuildletClient(cutter.address, undefined, { sharedDirectory });
          const signal = AbortSignal.timeout(withFault ? 1500 : 20_000);
          try {
            await pull(client, to, { dir: 't', signal, force: true });
            return true;
          } catch {
            return false;
          } finally {
            await client.disconnect();
          }
        };
        const isDone = await run(true);
        if (!isDone) expectOnlyWhole(to, [before, contents(there)]);
        else expect(contents(there)).toEqual(subset(contents(to), contents(there)));
        expect(await run(false)).toBe(true);
        expect(contents(there)).toEqual(subset(contents(to), contents(there)));
        expect(leftovers(parent)).toEqual([]);
      }
    }, 600_000);
  });

  it('a peer that has fallen silent is detected by the heartbeat', async () => {
    const buildlet = await startBuildlet({ ...kind, address: loopback });
    const cutter = await startCutter(buildlet.address);
    const top = temporaryDirectory();
    plant(top, tree(1));
    cutter.plan = () => ({ kind: 'stall', direction: 'down', afterBytes: 0 });
    const options = { dir: 't', signal: new AbortController().signal } as const;
    const silent = { code: 'ERR_BROKEN', message: expect.stringMatching(/no answer to 3 heart/) };
    const newClient = () => {
      const client = new BuildletClient(cutter.address, undefined, {
        heartbeatIntervalMs: 50,
        sharedDirectory,
      });
      onTestFinished(() => client.disconnect());
      return client;
    };
    expect(await push([newClient()], top, options)).toEqual([
      { status: 'rejected', reason: expect.objectContaining(silent) },
    ]);
    const to = join(temporaryDirectory(), 'here');
    await expect(pull(newClient(), to, options)).rejects.toMatchObject(silent);
  });

  describe('a full disk', () => {
    const isRoot = process.getuid?.() === 0;
    const smallDisk = (): string => {
      const path = temporaryDirectory();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs', path]);
      onTestFinished(() => void execFileSync('umount', ['-l', path]));
      return path;
    };

    it.runIf(isRoot)('there is a clear error, and leaves nothing half-written', async () => {
      const workDir = smallDisk();
      const buildlet = await startBuildlet({ ...kind, workDir });
      const top = temporaryDirectory();
      plant(top, [
        ['a', file('a')],
        ['b', file(bytes(2_000_000, 1))],
      ]);
      const client = new BuildletClient(buildlet.address, undefined, { sharedDirectory });
      const signal = new AbortController().signal;
      const [result] = await push([client], top, { dir: 't', signal });
      expect(result).toMatchObject({
        reason: { message: expect.stringContaining('no space left on device') },
      });
      const there = join(workDir, 't');
      expectOnlyWhole(there, [contents(top)]);
      expect(contents(there).has('b')).toBe(false);
      rmSync(join(top, 'b'));
      const [again] = await push([client], top, { dir: 't', signal });
      expect(again?.status).toBe('fulfilled');
      expect(contents(there)).toEqual(contents(top));
      await client.disconnect();
    });

    it.runIf(isRoot)('here is a clear error, and leaves nothing half-written', async () => {
      const buildlet = await startBuildlet(kind);
      plant(buildlet.workDir, [
        [
          't',
          directory([
            ['a', file('a')],
            ['b', file(bytes(2_000_000, 1))],
          ]),
        ],
      ]);
      const to = join(smallDisk(), 'here');
      const client = new BuildletClient(buildlet.address, undefined, { sharedDirectory });
      const signal = new AbortController().signal;
      await expect(pull(client, to, { dir: 't', signal })).rejects.toThrow(
        /no space left on device/,
      );
      expect(contents(to).has('b')).toBe(false);
      writeFileSync(join(buildlet.workDir, 't/b'), 'small');
      await pull(client, to, { dir: 't', signal });
      expect(contents(to)).toEqual(contents(join(buildlet.workDir, 't')));
      await client.disconnect();
    });
  });
});

const subset = (all: Map<string, string>, of: Map<string, string>): Map<string, string> =>
  new Map([...all].filter(([name]) => of.has(name)));
