// Which HTTP status a server answers with when a request fails, and what it says.
import { type ErrorCode, isGomoteError, messageOf } from '../errors.ts';

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
  ERR_PATH: 400,
  ERR_PLATFORM: 502,
  ERR_QUOTA: 429,
  ERR_REPLY: 502,
  ERR_REQUEST: 400,
  ERR_STATUS: 500,
  ERR_TIMEOUT: 504,
  ERR_UNAUTHORIZED: 403,
  ERR_UNAVAILABLE: 503,
  ERR_UNKNOWN_BUILDLET: 502,
  ERR_UNKNOWN_SESSION: 404,
  ERR_UNKNOWN_TYPE: 400,
  ERR_UNSUPPORTED: 501,
  ERR_USAGE: 400,
};

/** The status and the one line of text that tell `error` to a client. */
export function errorReply(error: unknown): { status: number; text: string } {
  const status = isGomoteError(error) ? statusOfCode[error.code] : 500;
  return { status, text: messageOf(error).replaceAll(/[\r\n]+/g, ' ') };
}
