// An HTTP server on a unix socket that answers as a test tells it to, in place of a buildlet.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './temporary.ts';

/** Starts one that ends with the test; gives its address, as clients take it. */
export async function serveHttp(
  answer: (request: IncomingMessage, response: ServerResponse, path: string) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    answer(request, response, (request.url ?? '').replace(/\?.*/, ''));
  });
  const path = join(temporaryDirectory(), 'socket');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `unix:${path}`;
}
