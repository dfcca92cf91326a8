// Pushing in tests: a tree here, a buildlet of either kind there.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import type { AgentOptions } from '../../src/buildlet/agent.ts';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import type { PullOptions, PullSummary } from '../../src/sync/pull/pull-options.ts';
import { push } from '../../src/sync/push/push.ts';
import type { PushOptions } from '../../src/sync/push/push-options.ts';
import type { PushSummary } from '../../src/sync/push/push-target.ts';
import { clientOf, sharedBuildlet, startBuildlet, type TestBuildlet } from '../helpers/buildlet.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

export interface Kind extends Partial<AgentOptions> {
  /** Whether client and buildlet open each other's files. */
  readonly sharesFiles?: boolean;
}

/** A buildlet that gets contents, one that gets their names, and one that knows the base protocol alone. */
export const allKinds: readonly [kind: string, options: Kind][] = [
  ['a buildlet that knows of trees', {}],
  ['a buildlet that shares files', { sharesFiles: true }],
  ['an old buildlet', { features: [] }],
];

export const onAllKinds = (suite: (options: Kind) => void): void => {
  for (const [kind, options] of allKinds) describe(`to ${kind}`, () => suite(options));
};

export interface PushBench {
  /** The tree here. */
  readonly top: string;
  readonly buildlet: TestBuildlet;
  readonly client: BuildletClient;
  /** The tree there. */
  readonly there: string;
  /** Where is kept what is known of trees. */
  readonly cacheDirectory: string;
  /** Pushes the tree here, or another one. */
  push(options?: Partial<PushOptions>, from?: string): Promise<PushSummary>;
  pull(to: string, options?: Partial<PullOptions>): Promise<PullSummary>;
}

/** A bench with a buildlet of its own. */
export const pushBench = async ({ sharesFiles, ...options }: Kind): Promise<PushBench> =>
  benchOn(await startBuildlet(options), 'tree', sharesFiles);

/** Benches for the tests of a suite, in which this is called: each has a directory of its own on one buildlet. */
export function sharedPushBench({ sharesFiles, ...options }: Kind): () => Promise<PushBench> {
  const buildlet = sharedBuildlet(options);
  let count = 0;
  return async () => benchOn(await buildlet(), `tree${count++}`, sharesFiles);
}

function benchOn(buildlet: TestBuildlet, dir: string, sharesFiles = false): PushBench {
  const top = temporaryDirectory();
  const cacheDirectory = temporaryDirectory();
  const client = clientOf(buildlet, '', { sharedDirectory: sharesFiles ? tmpdir() : undefined });
  return {
    top,
    buildlet,
    client,
    there: join(buildlet.workDir, dir),
    cacheDirectory,
    push: async (more = {}, from = top) => {
      const { signal } = new AbortController();
      const all = { dir, signal, cacheDirectory, ...more };
      const [result] = await push([client], from, all);
      if (result?.status !== 'fulfilled') throw result?.reason;
      return result.value;
    },
    pull: async (to, more = {}) => {
      const { signal } = new AbortController();
      return await pull(client, to, { dir, signal, cacheDirectory, ...more });
    },
  };
}
