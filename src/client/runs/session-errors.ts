// Explains failed requests of a session, and commands that could not be started.
import {
  type ErrorCode,
  errnoOf,
  GomoteError,
  isGomoteError,
  isStatus,
  StatusError,
} from '../../errors.ts';
import { type HttpResponse, listReplyBytes, readText } from '../../http/client/request.ts';
import { unknownBuildletText } from '../../protocol/endpoints.ts';
import { unknownPathText } from '../../protocol/session.ts';
import { loadReplies } from './session-reader.ts';

/** The buildlet's refusal in terms of its client. */
export function sessionErrorOf(error: unknown, label: string): unknown {
  if (!(error instanceof StatusError)) return error;
  if (isUnknownPath(error)) {
    return new GomoteError('ERR_UNSUPPORTED', `${label} has no sessions`, { cause: error });
  }
  const code = codeOfStatus[error.status];
  return code === undefined ? error : new GomoteError(code, error.message, { cause: error });
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  404: 'ERR_UNKNOWN_SESSION',
  409: 'ERR_CONFLICT',
};

/** Whether the buildlet knows no sessions at all. */
export const isUnknownPath = (error: unknown): boolean =>
  isStatus(error, 404) && error.text === unknownPathText;

/** Failures that come before a request is sent. */
const unsentCodes: readonly ErrorCode[] = ['ERR_USAGE', 'ERR_REQUEST', 'ERR_CONFIG'];
const unsentErrnos = ['ECONNREFUSED', 'ENOENT', 'ENOTFOUND', 'EACCES'];

/**
 * Whether a request that failed so may have started its command anyway: unless the buildlet refused it, or it
 * certainly was never sent.
 */
export function mayHaveStarted(error: unknown): boolean {
  if (error instanceof StatusError) {
    // A server on the way that says 502 may have lost the buildlet after it had passed the request on.
    return error.status >= 500 && error.text !== unknownBuildletText;
  }
  if (!isGomoteError(error)) return true;
  if (unsentCodes.includes(error.code) || error.code === 'ERR_CERTIFICATE') return false;
  return !unsentErrnos.includes(errnoOf(error.cause) ?? '');
}

/** Why the session in the reply could not be started; undefined if it was, or the reply does not say. */
export async function notStartedIn(
  reply: HttpResponse,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = await readText(reply, signal, listReplyBytes);
  const { parseSessionInfos } = await loadReplies();
  const [info] = parseSessionInfos(`[${text}]`) ?? [];
  return info?.end?.why === 'not-started' ? info.end.state : undefined;
}
