// Converts refusals of the Compute API into errors.
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

/** Error codes by the API's reason; a prefix is enough. */
const codes: readonly (readonly [reason: string, code: ErrorCode])[] = [
  ['QUOTA_EXCEEDED', 'ERR_QUOTA'],
  ['quotaExceeded', 'ERR_QUOTA'],
  ['ZONE_RESOURCE_POOL_EXHAUSTED', 'ERR_NO_CAPACITY'],
  ['RESOURCE_POOL_EXHAUSTED', 'ERR_NO_CAPACITY'],
  ['STOCKOUT', 'ERR_NO_CAPACITY'],
  ['RESOURCE_ALREADY_EXISTS', 'ERR_NAME_TAKEN'],
  ['alreadyExists', 'ERR_NAME_TAKEN'],
  ['RESOURCE_IN_USE_BY_ANOTHER_RESOURCE', 'ERR_CONFLICT'],
  ['resourceInUseByAnotherResource', 'ERR_CONFLICT'],
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

/** Converts the failure of a call; `what` describes the call. */
export function callError(what: string, error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  if (!isHttpFailure(error)) return transportError(what, error);
  const { status, data } = error.response;
  const { message = messageOf(error), errors = [] } = bodyOf(data);
  const reason = errors[0]?.reason ?? '';
  const code = codeOf(reason) ?? codeOfStatus(status);
  return platformError(code, reason || `HTTP ${status}`, `${what}: ${message}`, bare(error));
}

/** The error of an operation; undefined when it succeeded. */
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

/** The maximum number of attempts after this failure: do not wait long for a missing network. */
export function maxAttempts(error: GomoteError): number {
  if (!(error instanceof PlatformError) || error.code !== 'ERR_UNAVAILABLE') return 1;
  return /^E[A-Z_]+$/.test(error.reason) ? 3 : 6;
}

/** How long the server asks to wait before the next attempt, in ms; undefined when it does not tell. */
export function retryAfterMs(error: unknown): number | undefined {
  if (!isHttpFailure(error)) return undefined;
  const value = error.response.headers?.get('retry-after');
  const seconds = Number(value ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : undefined;
}

/** Whether the API reported that it does not exist. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof PlatformError && /^(notFound|HTTP 404|RESOURCE_NOT_FOUND)$/.test(error.reason);

/** Whether the request was certainly not carried out. */
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

/** There was no reply: the network failed, or there are no credentials. */
function transportError(what: string, error: unknown): PlatformError {
  const late = error instanceof Error && error.name === 'TimeoutError';
  const errno = errnoOf(error);
  const code = late || errno !== undefined ? 'ERR_UNAVAILABLE' : 'ERR_UNAUTHORIZED';
  // Google's library puts the whole URL before the message.
  const happened = messageOf(error).replace(/^request to \S+ failed, reason: /, '');
  const message = late ? 'no answer in time' : happened;
  return platformError(code, errno ?? '', `${what}: ${message}`, bare(error));
}

/** The error without its request, which contains a machine's key and password. */
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
  // The error of an OAuth token endpoint.
  return typeof body === 'string' ? { message: body } : {};
}
