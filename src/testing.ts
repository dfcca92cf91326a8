// `gomote/testing`: for tests of programs that use the library.

export type { Fault } from './testing/faults.ts';
export type { Network } from './testing/network.ts';
export { openTest, TestGomote, type TestOptions } from './testing/test-gomote.ts';
