// A server at an address where something listens already.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { listen } from '../../../src/http/server/listen.ts';
import { closeServer, createBareServer } from '../../../src/http/server/server.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

it('a server at a bound address answers there, and ends idle connections when it closes', async () => {
  const path = join(temporaryDirectory(), 'socket');
  const bound = createServer({ allowHalfOpen: true });
  await listen(bound, { kind: 'unix', path });
  const server = createBareServer((_request, response) => response.end());
  const address = { kind: 'unix', path, bound } as const;
  expect(await listen(server, address)).toBe(`unix:${path}`);
  // One that brings no request.
  const silent = connect(path);
  onTestFinished(() => void silent.destroy());
  await once(silent, 'connect');
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const outgoing = request({ agent, socketPath: path }).end();
  const [reply] = (await once(outgoing, 'response')) as [IncomingMessage];
  reply.resume();
  await once(reply, 'end');
  await closeServer(server, 3_600_000, address);
  expect(bound.listening).toBe(false);
});
