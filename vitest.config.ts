import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**', 'test/kubernetes/**', 'test/docker/**'],
    // Only the end of a failure: a test on a busy machine is slow, not wrong.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // They mostly wait for processes.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['scripts/build-workers.js'],
    setupFiles: ['test/helpers/seed.ts'],
  },
});
