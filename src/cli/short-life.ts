// How JavaScript runs in a command that handles many small objects and is most often over within a few hundred ms.
import { setFlagsFromString } from 'node:v8';

/** How long a command must run for the compiling of its busy functions to pay, in ms. */
const longMs = 300;

/**
 * Lets the space for new objects grow in large steps: in small ones, most of a short command's time goes into moving them.
 * Until the command has proved to be a long one, leaves out what is done for later: functions are not optimised, which would
 * take the processor that the buildlet may need, and the marking of live objects does not begin. Both would have to be waited
 * for at the end, too.
 */
export function expectShortLife(): void {
  setFlags('--semi-space-growth-factor=8', '--no-turbofan', '--no-incremental-marking');
  setTimeout(() => setFlags('--turbofan', '--incremental-marking'), longMs).unref();
}

function setFlags(...flags: string[]): void {
  for (const flag of flags) setFlagsFromString(flag);
}
