// Fetches a URL that a user named; failures are worded as a Go buildlet words them.
import { STATUS_CODES } from 'node:http';
import { Agent, interceptors, request } from 'undici';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { errnoText } from '../../protocol/process-state.ts';

const maxRedirections = 10;

/** The body of a successful reply to GET, after redirects. The connection closes at the end of the body. */
export async function fetchBody(
  url: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const agent = new Agent();
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections }));
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal });
    if (statusCode === 200) return closing(body, agent);
    const line = `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim();
    throw new GomoteError('ERR_STATUS', `writetgz: fetching provided URL "${url}": ${line}`);
  } catch (error) {
    await agent.destroy();
    if (error instanceof GomoteError) throw error;
    const reason = reasonOf(error);
    throw new GomoteError('ERR_CONNECT', `fetching URL ${url}: Get "${url}": ${reason}`, {
      cause: error,
    });
  }
}

async function* closing(body: AsyncIterable<Uint8Array>, agent: Agent): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    await agent.destroy();
  }
}

function reasonOf(error: unknown): string {
  const code = errnoOf(error);
  if (error instanceof Error && code !== undefined && 'address' in error && 'port' in error) {
    return `dial tcp ${error.address}:${error.port}: connect: ${connectReason(code)}`;
  }
  return messageOf(error);
}

const connectReason = (code: string): string =>
  code === 'ECONNREFUSED' ? 'connection refused' : errnoText(code);
