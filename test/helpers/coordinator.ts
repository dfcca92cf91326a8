// The base protocol of a coordinator over TLS, in front of real buildlets: enough to drive its client.
import { type IncomingMessage, request as relayRequest, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { onTestFinished } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { fingerprintOf } from '../../src/http/tls.ts';
import { startBuildlet, type TestBuildlet } from './buildlet.ts';

export interface TestCoordinator {
  readonly url: string;
  readonly fingerprint: string;
  /** Method and path of what came with the right user and token; else `refused`. */
  readonly requests: string[];
}

/** Starts one that knows one user, and makes a buildlet in this process for each that is asked for. */
export async function startCoordinator(user: string, token: string): Promise<TestCoordinator> {
  const pair = await newKeyPair();
  const requests: string[] = [];
  const buildlets = new Map<string, { type: string; buildlet: TestBuildlet }>();
  const expected = `Basic ${Buffer.from(`user-${user}:${token}`).toString('base64')}`;

  const describeOne = (name: string, type: string) => ({
    User: `user-${user}`,
    Name: name,
    HostType: 'host-linux',
    BuilderType: type,
    Created: '2026-11-24T10:00:00Z',
    Expires: new Date(Date.now() + 30 * 60_000).toISOString(),
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== expected) {
      requests.push('refused');
      return void response.writeHead(401).end('bad auth\n');
    }
    requests.push(`${request.method} ${request.url}`);
    const name = request.headers['x-buildlet-proxy'];
    if (name !== undefined) return await relay(String(name), request, response);
    if (request.url === '/buildlet/create') {
      const type = new URLSearchParams(await text(request)).get('builderType') ?? '';
      const made = `${user}-${type}-${buildlets.size}`;
      buildlets.set(made, { type, buildlet: await startBuildlet() });
      return void response.end(JSON.stringify(describeOne(made, type)));
    }
    response.end(JSON.stringify([...buildlets].map(([made, { type }]) => describeOne(made, type))));
  }

  async function relay(name: string, request: IncomingMessage, response: ServerResponse) {
    const buildlet = buildlets.get(name)?.buildlet;
    if (buildlet === undefined) {
      return void response.writeHead(502).end('unknown or expired buildlet\n');
    }
    if (request.url === '/halt') {
      buildlets.delete(name);
      await buildlet.close();
      return void response.end();
    }
    const { authorization: _, ...headers } = request.headers;
    const onward = relayRequest({
      socketPath: buildlet.address.slice('unix:'.length),
      method: request.method,
      path: request.url,
      headers,
    });
    onward.on('error', () => response.destroy());
    onward.on('response', (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.on('end', () => response.addTrailers(reply.trailers as Record<string, string>));
      pipeline(reply, response).catch(() => response.destroy());
    });
    await pipeline(request, onward);
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch(() => response.destroy());
  };
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    fingerprint: `sha256:${fingerprintOf(pair.certPem)}`,
    requests,
  };
}
