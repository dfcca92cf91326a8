/**
 * For tests of programs that use the library.
 *
 * @module gomote/testing
 */
export type { Fault } from './testing/faults.ts';
export type { Network } from './testing/network.ts';
export { openTest, TestGomote, type TestOptions } from './testing/test-gomote.ts';
