// The audit trail: what was done to whose buildlet, and by which request, from where.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Log, LogFields } from './log.ts';

/** What a row says of the request that caused it. */
interface Cause {
  by?: string | undefined;
  readonly address: string;
  readonly request: string;
}

const causes = new AsyncLocalStorage<Cause>();

/** Does the work of a request; rows that it writes, also later, tell of the request. */
export const asCause = <T>(cause: Cause, work: () => T): T => causes.run(cause, work);

/** Says who sent the request that is being served. */
export function causedBy(user: string): void {
  const cause = causes.getStore();
  if (cause !== undefined) cause.by = user;
}

/** For rows that are written when the request has long been over. */
export const currentCause = (): LogFields => ({ ...causes.getStore() });

/** What nobody asked for, though it may be found out in the middle of a request. */
const uncaused: ReadonlySet<string> = new Set(['died', 'exec-end', 'user-changed']);

/** Adds the request to each row. */
export const withCause = (log: Log): Log => ({
  write: (event: string, fields: LogFields = {}) =>
    log.write(event, uncaused.has(event) ? fields : { ...fields, ...causes.getStore() }),
});
