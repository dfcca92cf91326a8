import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests with a configuration of their own. */
const apart = ['test/package/**', 'test/kubernetes/**', 'test/docker/**'];

/** Tests that run in their own process and start hardly anything. */
const code = ['test/{config,files,http,protocol,reverse,tar,tree,worker}/**/*.test.ts'];

/**
 * Tests of whole programs beside others: coordinators, ssh, browsers, terminals, clouds; of what outlives machines; and of faults at
 * random moments and in every place.
 */
const long = [
  'test/end-to-end/**/*.test.ts',
  'test/backends/{gce,ssh}/**/*.test.ts',
  'test/cli/{ci,fan-out,mcp,once,project,run,ssh}/**/*.test.ts',
  'test/cli/{*watch,cache,go-scripts,setup*,snapshot*}.test.ts',
  'test/library/**/*.test.ts',
  'test/coordinator/**/*.test.ts',
  'test/**/{*faults,completion,examples,hostile-replies,mishaps,odd-entries}.test.ts',
];

export default defineConfig({
  test: {
    // Only the end of a failure: a test on a busy machine is slow, not wrong.
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    pool: 'forks',
    // They mostly wait for processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['scripts/build-workers.js'],
    setupFiles: ['test/helpers/seed.ts'],
    projects: [
      { extends: true, test: { name: 'code', include: code, testTimeout: 60_000, isolate: false } },
      // They start programs and servers, or move large trees.
      {
        extends: true,
        test: {
          name: 'programs',
          include: ['test/**/*.test.ts'],
          exclude: [...apart, ...code, ...long],
          testTimeout: 60_000,
        },
      },
      // On two busy processors some take more than a minute.
      {
        extends: true,
        test: { name: 'long', include: long, exclude: [...apart, ...code], testTimeout: 180_000 },
      },
    ],
  },
});
