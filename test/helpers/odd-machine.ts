// A machine that is well until it is asked for a path of ill behaviour.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface OddMachine {
  /** `HOST:PORT`. */
  readonly address: string;
  /** The requests that reached it: method, path, and the headers as they came. */
  readonly requests: { line: string; headers: string[] }[];
}

/** Starts one that ends with the test; any other path answers as a buildlet that is well. */
export async function startOddMachine(
  paths: Readonly<Record<string, Misbehaviour>>,
): Promise<OddMachine> {
  const requests: OddMachine['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ line: `${request.method} ${request.url}`, headers: request.rawHeaders });
    const path = request.url?.split('?')[0] ?? '';
    const misbehave = paths[path];
    if (misbehave !== undefined) return misbehave(request, response);
    if (path === '/status') return void response.end('{"Version":11}');
    request.resume();
    response.end('OK');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, requests };
}
