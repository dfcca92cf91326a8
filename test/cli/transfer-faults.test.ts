// Faults at any byte of get, put, puttar and gettar: never a wrong file under its final name, never success with
// something missing, and the next run completes.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { unpackTar } from '../../src/tar/unpack.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { times } from '../helpers/counts.ts';
import { type Cutter, type Fault, startCutter } from '../helpers/cutter.ts';
import { until } from '../helpers/processes.ts';
import { random } from '../helpers/random.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { chunked } from '../tar/raw-archive.ts';
import { directory, file, leftovers, names, plant, snapshot, symlink } from '../tar/tree.ts';

/** Of each kind of transfer, on each kind of buildlet: 200 in all with `npm run test:faults`. */
const count = times(5, 25);

const kinds: Fault['kind'][] = ['drop', 'end', 'corrupt', 'split', 'stall'];
const content = randomBytes(700_000);

interface Scene {
  readonly name: string;
  readonly workDir: string;
  /** What is sent from, or comes to. */
  readonly here: string;
}

interface Work {
  readonly what: string;
  /** The direction that the content takes. */
  readonly direction: 'up' | 'down';
  readonly argv: (scene: Scene) => string[];
  /** Makes what is transferred. */
  readonly plant: (scene: Scene) => void;
  /** Whether the result is there; fails when there is anything but the whole of it. */
  readonly isWhole: (scene: Scene) => Promise<boolean>;
  readonly remove: (scene: Scene) => void;
}

const plantTree = (root: string) => {
  mkdirSync(root, { recursive: true });
  const small = Array.from({ length: 60 }, (_, i) => [`f${i}`, file(randomBytes(i * 97))] as const);
  plant(root, [
    ['big', file(content, 0o755)],
    ['d', directory([...small, ['link', symlink('f1')]])],
    ['empty', directory()],
  ]);
};

const sameTree = (one: string, other: string): boolean => {
  if (!existsSync(other)) return false;
  const got = names(other);
  if (got.length === 0) return false;
  expect(snapshot(other)).toEqual(snapshot(one));
  return true;
};

const sameFile = (path: string): boolean => {
  if (!existsSync(path)) return false;
  expect(readFileSync(path).equals(content)).toBe(true);
  return true;
};

const remove = (path: string) => rmSync(path, { recursive: true, force: true });

const works: Work[] = [
  {
    what: 'puttar',
    direction: 'up',
    argv: ({ name, here }) => ['puttar', name, join(here, 'tree'), '--dir', 'up'],
    plant: ({ here }) => plantTree(join(here, 'tree')),
    isWhole: async ({ here, workDir }) => sameTree(join(here, 'tree'), join(workDir, 'up')),
    remove: ({ workDir }) => remove(join(workDir, 'up')),
  },
  {
    what: 'gettar',
    direction: 'down',
    argv: ({ name, here }) => ['gettar', name, '--dir', 'tree', '-o', join(here, 'archive')],
    plant: ({ workDir }) => plantTree(join(workDir, 'tree')),
    isWhole: async ({ here, workDir }) => {
      const path = join(here, 'archive');
      if (!existsSync(path)) return false;
      const root = temporaryDirectory();
      await unpackTar(chunked(readFileSync(path), 60_000), { root, dir: '.' });
      return sameTree(join(workDir, 'tree'), root);
    },
    remove: ({ here }) => remove(join(here, 'archive')),
  },
  {
    what: 'put',
    direction: 'up',
    argv: ({ name, here }) => ['put', name, join(here, 'file'), 'up'],
    plant: ({ here }) => writeFileSync(join(here, 'file'), content),
    isWhole: async ({ workDir }) => sameFile(join(workDir, 'up')),
    remove: ({ workDir }) => remove(join(workDir, 'up')),
  },
  {
    what: 'get',
    direction: 'down',
    argv: ({ name, here }) => ['get', name, 'file', join(here, 'got')],
    plant: ({ workDir }) => writeFileSync(join(workDir, 'file'), content),
    isWhole: async ({ here }) => sameFile(join(here, 'got')),
    remove: ({ here }) => remove(join(here, 'got')),
  },
];

/** Some fault in the transfer's own stream; what is flipped is content, for a header has no checksum without TLS. */
function someFault(direction: 'up' | 'down', index: number, sizeBytes: number): Fault {
  const kind = kinds[index % kinds.length] ?? 'drop';
  const headBytes = kind === 'corrupt' ? 1000 : 0;
  return { kind, direction, afterBytes: headBytes + random(sizeBytes - headBytes) };
}

/** A stalled connection is cut in the end, as keep-alive does it. */
async function unstalled<T>(cutter: Cutter, fault: Fault, work: Promise<T>): Promise<T> {
  const timer = setInterval(() => fault.kind === 'stall' && cutter.drop(), 300);
  return await work.finally(() => {
    clearInterval(timer);
    // The relay keeps its other half open also when the client has left.
    if (fault.kind === 'stall') cutter.drop();
  });
}

const cases = works.flatMap((work) => [
  { ...work, on: 'a buildlet', features: undefined },
  { ...work, on: 'an old buildlet', features: [] },
]);

it.each(cases)(
  '$what survives a bad connection to $on',
  async ({ features, direction, ...work }) => {
    const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const buildlet = await startBuildlet({ features, address: loopback });
    const cutter = await startCutter(buildlet.address);
    const cli = testCli();
    const { workDir } = buildlet;
    const scene: Scene = { name: `local@${cutter.address}`, workDir, here: temporaryDirectory() };
    work.plant(scene);
    const counter = direction === 'up' ? 'upBytes' : 'downBytes';
    const run = async () => {
      const { code, stderr } = await cli(work.argv(scene));
      if (code === 0) expect(await work.isWhole(scene), 'whole after exit 0').toBe(true);
      else expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      return code;
    };
    const before = cutter[counter];
    expect(await run()).toBe(0);
    const sizeBytes = cutter[counter] - before;
    for (let index = 0; index < count; index++) {
      work.remove(scene);
      const fault = someFault(direction, index, sizeBytes);
      // The base protocol has no checksum for a file that is put.
      if (work.what === 'put' && features !== undefined && fault.kind === 'corrupt') continue;
      // A first connection may carry no more than a question.
      let struck = 0;
      cutter.plan = () => (struck++ < 2 ? fault : undefined);
      await unstalled(cutter, fault, run());
      await until(async () => {
        const isSettled = () => leftovers(workDir).length + leftovers(scene.here).length === 0;
        try {
          if (isSettled()) await work.isWhole(scene);
        } catch (error) {
          // The buildlet may have begun only now with what came of it.
          if (isSettled()) throw error;
        }
        return isSettled();
      });
      cutter.plan = () => undefined;
      expect(await run(), JSON.stringify(fault)).toBe(0);
    }
  },
);
