// What runs before every call of the Compute API, in the whole process.
import type { Gate } from '../../rate-limit.ts';

/**
 * Set `gceGate.hook` to bound the rate of calls: it is awaited before each, retries and waits included. It is given
 * the signal of the call. `tokenBucket({ perSecond: 20 })` is a ready one. Default: none.
 */
export const gceGate: {
  /** Awaited before each call. */
  hook: Gate | undefined;
} = { hook: undefined };
