// Fetches a URL that a user named; failures are worded as a Go buildlet words them.
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

/** The body of a successful reply to GET, redirects followed. */
export async function fetchBody(
  url: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  let response: Response;
  try {
    // The archive's own compression is wanted, none on top of it.
    response = await fetch(url, { signal, headers: { 'Accept-Encoding': 'identity' } });
  } catch (error) {
    throw new GomoteError('ERR_CONNECT', `fetching URL ${url}: Get "${url}": ${reasonOf(error)}`, {
      cause: error,
    });
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    const line = `${response.status} ${response.statusText}`.trim();
    throw new GomoteError('ERR_STATUS', `writetgz: fetching provided URL "${url}": ${line}`);
  }
  return response.body;
}

/** The reason beneath fetch's own "fetch failed". */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = errnoOf(cause);
  if (cause instanceof Error && code !== undefined && 'address' in cause && 'port' in cause) {
    return `dial tcp ${cause.address}:${cause.port}: connect: ${connectReason(code)}`;
  }
  return messageOf(cause);
}

const connectReason = (code: string): string =>
  code === 'ECONNREFUSED' ? 'connection refused' : errnoText(code);
