import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/kubernetes/**/*.test.ts'],
    // A time is only the end of a failure: a cluster on a busy machine is slow.
    testTimeout: 600_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 180_000, interval: 250 } },
    pool: 'forks',
    // They mostly wait for the cluster.
    maxWorkers: 6,
  },
});
