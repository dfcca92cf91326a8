// Requests to upgrade that are passed on to a machine which does not answer as it should.
import { once } from 'node:events';
import { createServer as createHttpServer, ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { passUpgrade } from '../../src/http/relay/pass-upgrade.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('a machine that never answers a request to upgrade is given up', async () => {
  const path = join(temporaryDirectory(), 'machine');
  let isLeft: Promise<unknown> | undefined;
  const machine = createServer((socket) => {
    socket.on('error', () => undefined).resume();
    isLeft = new Promise((resolve) => socket.once('close', resolve));
  });
  machine.listen(path);
  await once(machine, 'listening');
  onTestFinished(() => void machine.close());
  const relay = createHttpServer();
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  onTestFinished(() => void relay.close());
  const client = connect((relay.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => void client.destroy());
  client.write('GET /forward HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n');
  const [request, socket, head] = await once(relay, 'upgrade');
  onTestFinished(() => void socket.destroy());
  const exchange = { request, response: new ServerResponse(request), upgrade: { socket, head } };
  const passed = passUpgrade(exchange, {
    address: { kind: 'unix', path },
    ...{ host: 'x', authorization: '', protocol: 'y', passed: [] },
    signal: new AbortController().signal,
    replyMs: 10,
  });
  await expect(passed).rejects.toMatchObject({ code: 'ERR_CONNECT', message: 'no answer in time' });
  await isLeft;
});
