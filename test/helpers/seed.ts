// Repeats random tests: fast-check prints the seed of one that fails, and GOMOTE_TEST_SEED gives it to all of them.
const seed = process.env.GOMOTE_TEST_SEED;
if (seed !== undefined) {
  const { configureGlobal } = await import('fast-check');
  configureGlobal({ seed: Number(seed) });
}

export {};
