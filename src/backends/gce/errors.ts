// What the Compute API answers when it refuses, as errors of this package.
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import { type ErrorCode, errnoOf, GomoteError, messageOf, PlatformError } from '../../errors.ts';

/** A failed HTTP exchange, as gaxios tells it. */
interface HttpFailure extends Error {
  readonly response: {
    readonly status: number;
    readonly headers?: Headers;
    readonly data?: unknown;
  };
}

interface ErrorBody {
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
}

/** The codes of those words of the API that have one of their own; the beginning of a word is enough. */
const codes: readonly (readonly [reason: string, code: ErrorCode])[] = [
  ['QUOTA_EXCEEDED', 'ERR_QUOTA'],
  ['quotaExceeded', 'ERR_QUOTA'],
  ['ZONE_RESOURCE_POOL_EXHAUSTED', 'ERR_NO_CAPACITY'],
  ['RESOURCE_POOL_EXHAUSTED', 'ERR_NO_CAPACITY'],
  ['STOCKOUT', 'ERR_NO_CAPACITY'],
  ['RESOURCE_ALREADY_EXISTS', 'ERR_NAME_TAKEN'],
  ['alreadyExists', 'ERR_NAME_TAKEN'],
  ['rateLimitExceeded', 'ERR_UNAVAILABLE'],
  ['userRateLimitExceeded', 'ERR_UNAVAILABLE'],
  ['RATE_LIMIT_EXCEEDED', 'ERR_UNAVAILABLE'],
];

const hints: Partial<Record<ErrorCode, string>> = {
  ERR_QUOTA: 'destroy what is not needed, or ask Google for a higher quota',
  ERR_NO_CAPACITY: 'give more zones, another machine type, or try again later',
  ERR_UNAUTHORIZED:
    'check the account and its rights on the project; gcloud auth application-default login',
  ERR_UNAVAILABLE: 'try again later',
};

/** What a call of the API failed with; `what` says what it was to do. */
export function callError(what: string, error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  if (!isHttpFailure(error)) return transportError(what, error);
  const { status, data } = error.response;
  const { message = messageOf(error), errors = [] } = bodyOf(data);
  const reason = errors[0]?.reason ?? '';
  const code = codeOf(reason) ?? codeOfStatus(status);
  return platformError(code, reason || `HTTP ${status}`, `${what}: ${message}`, bare(error));
}

/** What an operation ended with; undefined when it succeeded. */
export function operationError(
  what: string,
  operation: compute_v1.Schema$Operation,
): PlatformError | undefined {
  const errors = operation.error?.errors ?? [];
  const [first] = errors;
  if (first === undefined) return undefined;
  const reason = first.code ?? '';
  const text = errors.map(({ code = '', message = '' }) => message || code).join('; ');
  const code = codeOf(reason) ?? codeOfStatus(operation.httpErrorStatusCode ?? 400);
  return platformError(code, reason, `${what}: ${text}`);
}

/** How often a call that failed with this is tried in all: nobody waits long for a network that is not there. */
export function triesFor(error: GomoteError): number {
  if (!(error instanceof PlatformError) || error.code !== 'ERR_UNAVAILABLE') return 1;
  return /^E[A-Z_]+$/.test(error.reason) ? 3 : 6;
}

/** How long the server asks to wait before the next try, in ms; undefined when it does not say. */
export function retryAfterMs(error: unknown): number | undefined {
  if (!isHttpFailure(error)) return undefined;
  const value = error.response.headers?.get('retry-after');
  const seconds = Number(value ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : undefined;
}

/** Whether the API said that there is no such thing. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof PlatformError && /^(notFound|HTTP 404|RESOURCE_NOT_FOUND)$/.test(error.reason);

/** Whether the request was surely not carried out. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof PlatformError && error.code !== 'ERR_UNAVAILABLE';

function platformError(code: ErrorCode, reason: string, message: string, cause?: unknown) {
  const known = reason === '' || message.includes(reason) ? message : `${message} (${reason})`;
  return new PlatformError(code, reason, known, { hint: hints[code], cause });
}

function codeOf(reason: string): ErrorCode | undefined {
  return codes.find(([beginning]) => reason.startsWith(beginning))?.[1];
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'ERR_UNAUTHORIZED';
  if (status === 409) return 'ERR_NAME_TAKEN';
  return status === 408 || status === 429 || status >= 500 ? 'ERR_UNAVAILABLE' : 'ERR_PLATFORM';
}

/** No answer of the API came: either the network failed, or there are no credentials to ask with. */
function transportError(what: string, error: unknown): PlatformError {
  const late = error instanceof Error && error.name === 'TimeoutError';
  const errno = errnoOf(error);
  const code = late || errno !== undefined ? 'ERR_UNAVAILABLE' : 'ERR_UNAUTHORIZED';
  // The fetch of Google's library puts the whole URL before what happened.
  const happened = messageOf(error).replace(/^request to \S+ failed, reason: /, '');
  const message = late ? 'no answer in time' : happened;
  return platformError(code, errno ?? '', `${what}: ${message}`, bare(error));
}

/** The error without the request that it carries: that one holds a machine's key and password. */
function bare(error: unknown): Error {
  const copy = new Error(messageOf(error));
  if (error instanceof Error && error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

const isHttpFailure = (error: unknown): error is HttpFailure =>
  error instanceof Error &&
  'response' in error &&
  typeof (error.response as HttpFailure['response'] | undefined)?.status === 'number';

function bodyOf(data: unknown): ErrorBody {
  const body = (data as { error?: unknown } | undefined)?.error;
  if (typeof body === 'object' && body !== null) return body as ErrorBody;
  // What an OAuth token endpoint says.
  return typeof body === 'string' ? { message: body } : {};
}
