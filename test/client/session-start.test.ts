// The request that starts a session, when its server goes away with it and is back some time later.
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { Collector } from '../helpers/collect.ts';
import { ownLoopback } from '../helpers/loopback.ts';

/** How long nobody listens, in ms: longer than a client waits before it tries again. */
const downMs = 300;

/**
 * A way to the buildlet that takes the first request there, and with the reply's first byte goes away: connections are cut,
 * and new ones refused for a while.
 */
async function startGateway(target: string): Promise<string> {
  const [host = '', port] = target.split(':');
  const sockets = new Set<Socket>();
  let isFirst = true;
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    near.on('data', (chunk) => far.write(chunk)).on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    far.on('data', (chunk) => {
      if (!isFirst) return void near.write(chunk);
      isFirst = false;
      server.close();
      near.resetAndDestroy();
      setTimeout(() => server.listen(own, ownLoopback), downMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, ownLoopback, resolve));
  const { port: own } = server.address() as AddressInfo;
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `${ownLoopback}:${own}`;
}

it('the request that starts a session is repeated until it is answered, and the command runs once', async () => {
  const buildlet = await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  const client = new BuildletClient(await startGateway(buildlet.address));
  onTestFinished(() => client.disconnect());
  const session = await client.sessions.start({
    ...{ cmd: 'sh', args: ['-c', 'echo x >>runs; echo done'], systemLevel: true },
  });
  const stdout = new Collector();
  const { end } = (await session?.read({ stdout })) ?? {};
  expect([end?.code, stdout.text]).toEqual([0, 'done\n']);
  expect(readFileSync(join(buildlet.workDir, 'runs'), 'utf8')).toBe('x\n');
});

it('a request for a session that nobody ever took is reported at once', async () => {
  const client = new BuildletClient('127.0.0.1:1');
  onTestFinished(() => client.disconnect());
  const start = client.sessions.start({ cmd: 'true', systemLevel: true });
  await expect(start).rejects.toMatchObject({ code: 'ERR_CONNECT' });
});
