// The audit trail: what was done to whose buildlet, by which request, and from where.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log, LogFields } from './log.ts';

/** The fields of a row about its request. */
interface Cause {
  by?: string | undefined;
  readonly address: string;
  readonly request: string;
}

const causes = new AsyncLocalStorage<Cause>();

/** Runs the work of a request. Its rows, including later ones, contain the request's fields. */
export const asCause = <T>(cause: Cause, work: () => T): T => causes.run(cause, work);

/** Sets the user of the current request. */
export function causedBy(user: string): void {
  const cause = causes.getStore();
  if (cause !== undefined) cause.by = user;
}

/** The current request's fields, for rows that are written later. */
export const currentCause = (): LogFields => ({ ...causes.getStore() });

/** Runs work that no request has caused, even if a request has triggered it. */
const uncaused: ReadonlySet<string> = new Set(['died', 'exec-end', 'user-changed']);

/** Adds the request to each row. */
export const withCause = (log: Log): Log => ({
  write: (event: string, fields: LogFields = {}) =>
    log.write(event, uncaused.has(event) ? fields : { ...fields, ...causes.getStore() }),
});
