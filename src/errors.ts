// Every failure this package reports is a GomoteError; callers match on `code`, people read `message` and `hint`.
import { printable } from './printable.ts';
import { ownSignal } from './timeout-signal.ts';

/**
 * What went wrong, for programs. A code is stable: its meaning never changes between releases.
 */
export const errorCodes = {
  /** The call was cancelled by the caller's AbortSignal. */
  ERR_ABORTED: 'ERR_ABORTED',
  /** A tar archive is damaged, cut short, or holds something that must not be extracted. */
  ERR_ARCHIVE: 'ERR_ARCHIVE',
  /** The peer stopped answering heartbeats, or a caller marked the client broken. */
  ERR_BROKEN: 'ERR_BROKEN',
  /** The buildlet's record is still here, but its process has gone. */
  ERR_BUILDLET_DIED: 'ERR_BUILDLET_DIED',
  /** The server's certificate is not the pinned one. */
  ERR_CERTIFICATE: 'ERR_CERTIFICATE',
  /** The client was closed; its pending calls end with this. */
  ERR_CLOSED: 'ERR_CLOSED',
  /** A configuration, token or password file cannot be used. */
  ERR_CONFIG: 'ERR_CONFIG',
  /** The state of what the request is about does not allow it. */
  ERR_CONFLICT: 'ERR_CONFLICT',
  /** No connection could be made, or it broke before the reply began. */
  ERR_CONNECT: 'ERR_CONNECT',
  /** A file or directory on this machine cannot be read or written. */
  ERR_LOCAL_FILE: 'ERR_LOCAL_FILE',
  /** A stream ended without the proof that it is whole: the outcome is unknown. */
  ERR_LOST: 'ERR_LOST',
  /** A machine was made, but it failed, ended, or its buildlet never came up. */
  ERR_MACHINE: 'ERR_MACHINE',
  /** The platform has a machine of that name already. */
  ERR_NAME_TAKEN: 'ERR_NAME_TAKEN',
  /** The platform has no room for the machine at this time. */
  ERR_NO_CAPACITY: 'ERR_NO_CAPACITY',
  /** There is no such file or directory on the buildlet. */
  ERR_NO_SUCH_FILE: 'ERR_NO_SUCH_FILE',
  /** The buildlet is another user's. */
  ERR_NOT_OWNER: 'ERR_NOT_OWNER',
  /** The command never started on the buildlet; `state` says why. */
  ERR_NOT_STARTED: 'ERR_NOT_STARTED',
  /** A path is not one that the protocol allows, or it leaves the work directory. */
  ERR_PATH: 'ERR_PATH',
  /** The platform that makes the machines refused the request; `reason` has its own word for why. */
  ERR_PLATFORM: 'ERR_PLATFORM',
  /** A quota is used up: of the project, the namespace, or the user on a coordinator. */
  ERR_QUOTA: 'ERR_QUOTA',
  /** The reply is not what the protocol says it must be. */
  ERR_REPLY: 'ERR_REPLY',
  /** The request is malformed. */
  ERR_REQUEST: 'ERR_REQUEST',
  /** A machine was made, but the script that makes it ready failed there. */
  ERR_SETUP: 'ERR_SETUP',
  /** The server answered with an error status. */
  ERR_STATUS: 'ERR_STATUS',
  /** A deadline passed. */
  ERR_TIMEOUT: 'ERR_TIMEOUT',
  /** The server did not accept the credentials. */
  ERR_UNAUTHORIZED: 'ERR_UNAUTHORIZED',
  /** The platform's API did not work, or let too few calls through, also after several tries. */
  ERR_UNAVAILABLE: 'ERR_UNAVAILABLE',
  /** There is no buildlet of that name. */
  ERR_UNKNOWN_BUILDLET: 'ERR_UNKNOWN_BUILDLET',
  /** There is no cache of that name. */
  ERR_UNKNOWN_CACHE: 'ERR_UNKNOWN_CACHE',
  /** The buildlet has no session of that id. */
  ERR_UNKNOWN_SESSION: 'ERR_UNKNOWN_SESSION',
  /** There is no snapshot of that name. */
  ERR_UNKNOWN_SNAPSHOT: 'ERR_UNKNOWN_SNAPSHOT',
  /** There is no such builder type or host type. */
  ERR_UNKNOWN_TYPE: 'ERR_UNKNOWN_TYPE',
  /** The peer lacks an extension that is needed. */
  ERR_UNSUPPORTED: 'ERR_UNSUPPORTED',
  /** The command line was used wrongly. */
  ERR_USAGE: 'ERR_USAGE',
} as const;

/** The name of one of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** The code of calls on a client that was closed: a variable, as in Go's package. */
export const ERR_CLOSED = errorCodes.ERR_CLOSED;
/** The code of calls that took longer than their limit: a variable, as in Go's package. */
export const ERR_TIMEOUT = errorCodes.ERR_TIMEOUT;

/** The cause of an error, and what can be done about it. */
export interface GomoteErrorOptions extends ErrorOptions {
  /** What the reader can do next: a clause without a full stop. */
  hint?: string | undefined;
}

/**
 * The base of every error this package throws. `message` is one line: what failed and the value given. It and `hint`
 * are safe to show on a terminal, whatever text of another machine they quote.
 */
export class GomoteError extends Error {
  /** The name of its class. */
  override readonly name: string = 'GomoteError';
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** What can be done next: a clause without a full stop. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: GomoteErrorOptions = {}) {
    super(printable(message), options);
    this.code = code;
    this.hint = options.hint === undefined ? undefined : printable(options.hint);
  }
}

/** The server answered with a status that is not a success. */
export class StatusError extends GomoteError {
  /** The name of its class. */
  override readonly name = 'StatusError';
  /** The HTTP status, such as 500. */
  readonly status: number;
  /** The first line of the reply's body, as it came: show it with `printable` only. */
  readonly text: string;

  /** @param options `code`: what the server says it is, if it says so; else ERR_UNAUTHORIZED for 401 and 403, or ERR_STATUS. */
  constructor(
    status: number,
    text: string,
    message: string,
    options: GomoteErrorOptions & { code?: ErrorCode | undefined } = {},
  ) {
    const refused = status === 401 || status === 403;
    super(refused ? 'ERR_UNAUTHORIZED' : (options.code ?? 'ERR_STATUS'), message, options);
    this.status = status;
    this.text = text;
  }
}

/** The platform that makes the machines (Compute Engine, Kubernetes) refused, or its machine failed. */
export class PlatformError extends GomoteError {
  /** The name of its class. */
  override readonly name = 'PlatformError';
  /** The platform's own word: `QUOTA_EXCEEDED`, `FailedScheduling`; empty when it gave none. */
  readonly reason: string;

  constructor(code: ErrorCode, reason: string, message: string, options: GomoteErrorOptions = {}) {
    super(code, message, options);
    this.reason = reason;
  }
}

/** The command never started: it was not found, may not be executed, or its directory is missing. */
export class NotStartedError extends GomoteError {
  /** The name of its class. */
  override readonly name = 'NotStartedError';
  /** The buildlet's words, as they came in the trailer `Process-State`: show them with `printable` only. */
  readonly state: string;
  /** Why: there is no such file, it may not be executed, or something else. */
  readonly reason: 'not-found' | 'not-executable' | 'other';

  constructor(
    state: string,
    reason: NotStartedError['reason'],
    message = `the command did not start: ${state}`,
  ) {
    super('ERR_NOT_STARTED', message);
    this.state = state;
    this.reason = reason;
  }
}

/** Whether the connection failed, which may be repaired, or the other end is gone. */
export const isConnectionError = (error: unknown): boolean =>
  error instanceof GomoteError && ['ERR_CONNECT', 'ERR_LOST', 'ERR_BROKEN'].includes(error.code);

/**
 * What a cancelled call fails with: ERR_ABORTED, whose cause is the signal's reason. A reason that is a GomoteError says
 * it better: then it is a copy of that, since every call that it ends throws an error of its own.
 */
export function abortedError(signal: AbortSignal): GomoteError {
  const reason: unknown = signal.reason;
  if (!(reason instanceof GomoteError)) {
    return new GomoteError('ERR_ABORTED', 'the call was cancelled', { cause: reason });
  }
  return copyOf(reason);
}

/** An error that says the same and has its own stack; its cause is the given one. */
export function copyOf(error: GomoteError): GomoteError {
  if (error.constructor !== GomoteError) return error;
  return new GomoteError(error.code, error.message, {
    hint: error.hint,
    cause: error.cause ?? error,
  });
}

/** Throws ERR_USAGE for a value that is no signal: callers without types may give anything. */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw new GomoteError('ERR_USAGE', 'signal must be an AbortSignal');
  }
}

/** Does the work, unless the signal has aborted; when it fails because of that, the failure is {@link abortedError}. */
export async function untilAborted<Result>(
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  checkSignal(signal);
  if (signal?.aborted) throw abortedError(signal);
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted !== true || error instanceof GomoteError) throw error;
    throw abortedError(signal);
  }
}

/** What the promise gives, or ERR_ABORTED as soon as the signal aborts. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  checkSignal(signal);
  if (signal === undefined) return await promise;
  if (signal.aborted) throw abortedError(signal);
  const leave = ownSignal(signal);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortedError(signal));
    leave.addEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    leave.removeEventListener('abort', onAbort);
  }
}

/**
 * Whether `error` is a GomoteError, and, with `code`, one of that code.
 *
 * @example
 * const report = await buildlet.files.readText('report').catch((error: unknown) => {
 *   if (isGomoteError(error, 'ERR_NO_SUCH_FILE')) return undefined;
 *   throw error;
 * });
 */
export function isGomoteError(error: unknown, code?: ErrorCode): error is GomoteError {
  return error instanceof GomoteError && (code === undefined || error.code === code);
}

/** Whether it is a reply with one of these statuses. */
export const isStatus = (error: unknown, ...statuses: readonly number[]): error is StatusError =>
  error instanceof StatusError && statuses.includes(error.status);

/** The one line a person should read of any thrown value. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  const { library, reason, stderr } = error as Error &
    Record<'library' | 'reason' | 'stderr', unknown>;
  // What a failed program said itself: Node's message has the whole command line.
  const [said] = typeof stderr === 'string' ? stderr.trim().split('\n') : [];
  if (said) return said;
  // OpenSSL's own message has numbers and the names of its source files.
  return typeof library === 'string' && typeof reason === 'string'
    ? `${library.replace(/ routines$/, '')}: ${reason}`
    : error.message;
}

/** The message, and what can be done next. */
export const messageAndHint = (error: unknown): string =>
  error instanceof GomoteError && error.hint !== undefined
    ? `${error.message}; ${error.hint}`
    : messageOf(error);

const quotaErrno = process.platform === 'linux' ? -122 : -69;

/** The system's error code of a failed system call (`ENOENT`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  // Node has no name for this one.
  if ('errno' in error && error.errno === quotaErrno) return 'EDQUOT';
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether the system call failed with one of these codes. */
export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  codes.includes(errnoOf(error) ?? '');

const shortages = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'ENOBUFS', 'EADDRNOTAVAIL'];

/** Whether this process or machine had too few descriptors, ports or memory: that says nothing of the other end. */
export function isOwnShortage(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (isErrno(at, ...shortages)) return true;
    if (at instanceof AggregateError && at.errors.some(isOwnShortage)) return true;
  }
  return false;
}
