// How often tests of chance repeat themselves.

/** `full` with `npm run test:faults`, which takes minutes; otherwise what the suite has time for. */
export const times = (suite: number, full: number): number =>
  process.env.GOMOTE_FAULTS === 'full' ? full : suite;
