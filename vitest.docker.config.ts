import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/docker/**/*.test.ts'],
    // A time is only the end of a failure: an engine on a busy machine is slow.
    testTimeout: 300_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 120_000, interval: 100 } },
    pool: 'forks',
    globalSetup: ['scripts/build-workers.js', 'test/docker/images.ts'],
  },
});
