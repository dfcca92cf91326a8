// The HTTP status and text of a failed request.
import { type ErrorCode, isErrno, isGomoteError, messageOf } from '../errors.ts';
import { errnoText } from './process-state.ts';

const statusOfCode: Record<ErrorCode, number> = {
  ERR_ABORTED: 500,
  ERR_ARCHIVE: 400,
  ERR_BROKEN: 502,
  ERR_BUILDLET_DIED: 502,
  ERR_CERTIFICATE: 502,
  ERR_CLOSED: 503,
  ERR_CONFIG: 500,
  ERR_CONFLICT: 409,
  ERR_CONNECT: 500,
  ERR_LOCAL_FILE: 500,
  ERR_LOST: 400,
  ERR_MACHINE: 502,
  ERR_NAME_TAKEN: 409,
  ERR_NO_CAPACITY: 500,
  ERR_NOT_OWNER: 401,
  ERR_NOT_STARTED: 500,
  ERR_NO_SUCH_FILE: 500,
  ERR_PATH: 400,
  ERR_PLATFORM: 502,
  ERR_QUOTA: 429,
  ERR_REPLY: 502,
  ERR_REQUEST: 400,
  ERR_SETUP: 502,
  ERR_STATUS: 500,
  ERR_TIMEOUT: 504,
  ERR_UNAUTHORIZED: 403,
  ERR_UNAVAILABLE: 503,
  ERR_UNKNOWN_BUILDLET: 502,
  ERR_UNKNOWN_CACHE: 404,
  ERR_UNKNOWN_SESSION: 404,
  ERR_UNKNOWN_SNAPSHOT: 404,
  ERR_UNKNOWN_TYPE: 400,
  ERR_UNSUPPORTED: 501,
  ERR_USAGE: 400,
};

/** Names the error's code in a reply, beside its text. An extension: a client that does not know it reads status and text. */
export const errorCodeHeader = 'X-Gomote-Error-Code';

/** Codes that mean the same at the client as at the server: about the request, its body, a file there, or a buildlet. */
const sentCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_ARCHIVE',
  'ERR_BUILDLET_DIED',
  'ERR_CONFLICT',
  'ERR_LOST',
  'ERR_NOT_OWNER',
  'ERR_NO_CAPACITY',
  'ERR_SETUP',
  'ERR_NO_SUCH_FILE',
  'ERR_PATH',
  'ERR_QUOTA',
  'ERR_REQUEST',
  'ERR_UNKNOWN_BUILDLET',
  'ERR_UNKNOWN_CACHE',
  'ERR_UNKNOWN_SESSION',
  'ERR_UNKNOWN_SNAPSHOT',
  'ERR_UNKNOWN_TYPE',
  'ERR_UNSUPPORTED',
]);

interface ErrorReply {
  readonly status: number;
  readonly text: string;
  /** The value of `X-Gomote-Error-Code`; absent: no code is sent. */
  readonly code?: ErrorCode | undefined;
}

/** The status, the line of text and the code that report `error` to a client. */
export function errorReply(error: unknown): ErrorReply {
  const text = messageOf(error).replaceAll(/[\r\n]+/g, ' ');
  const own = isGomoteError(error) ? error.code : undefined;
  const status = own === undefined ? 500 : statusOfCode[own];
  if (own !== undefined && sentCodes.has(own)) return { status, text, code: own };
  const isOfFile = own === undefined || own === 'ERR_LOCAL_FILE' || own === 'ERR_ARCHIVE';
  return isOfFile && isAbsence(error, text)
    ? { status, text, code: 'ERR_NO_SUCH_FILE' }
    : { status, text };
}

/** Whether something requested does not exist. An error from another thread has lost its cause, but not its message. */
function isAbsence(error: unknown, text: string): boolean {
  const codes = ['ENOENT', 'ENOTDIR'];
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (isErrno(at, ...codes)) return true;
  }
  return codes.some((code) => text.endsWith(`: ${errnoText(code)}`));
}

/** Reads the value of `X-Gomote-Error-Code`; undefined when it is not a code that servers send. */
export const parseErrorCode = (value: unknown): ErrorCode | undefined =>
  [...sentCodes].find((code) => code === value);

/** The failure that ends a reply of several lines. */
export interface FailureLine {
  readonly error: string;
  readonly status: number;
  readonly code: ErrorCode | undefined;
}
