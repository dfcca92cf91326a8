import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { waitUntilReady } from '../../src/backends/wait-until-ready.ts';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { newKeyPair } from '../../src/client/key-pair.ts';
import type { GomoteError } from '../../src/errors.ts';
import { startBuildlet } from '../helpers/buildlet.ts';

const never = new AbortController().signal;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function clientOf(port: number, ...rest: [ConstructorParameters<typeof BuildletClient>[1]?]) {
  const client = new BuildletClient(`127.0.0.1:${port}`, ...rest);
  onTestFinished(() => client.disconnect());
  return client;
}

it('waiting continues until the buildlet answers', async () => {
  const port = await freePort();
  const waiting = waitUntilReady(clientOf(port), { signal: never });
  await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port } });
  await waiting;
});

it('waiting fails at the deadline with the last error', async () => {
  const client = clientOf(await freePort());
  await expect(waitUntilReady(client, { signal: never, timeoutMs: 500 })).rejects.toThrow(
    /did not answer within 0.5 s: .*ECONNREFUSED/,
  );
});

it('waiting reports every try, and does not take a booting machine for a dead one', async () => {
  const port = await freePort();
  const client = new BuildletClient(`127.0.0.1:${port}`, undefined, { heartbeatIntervalMs: 1 });
  onTestFinished(() => client.disconnect());
  const seen: unknown[] = [];
  await waitUntilReady(client, {
    signal: never,
    pauseMs: 20,
    onBeginTry: async () => {
      // More heartbeats than a living peer may miss would have failed by then.
      if (seen.length === 8) {
        await startBuildlet({ address: { kind: 'tcp', host: '127.0.0.1', port } });
      }
    },
    onEndTry: (error) => void seen.push((error as GomoteError | undefined)?.code),
  });
  expect(seen).toEqual([...Array(8).fill('ERR_CONNECT'), undefined]);
  expect(client.isBroken).toBe(false);
});

it('a try has a time limit on a machine that accepts connections and does not answer', async () => {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const options = { signal: never, tryMs: 20, timeoutMs: 60 };
  await expect(waitUntilReady(clientOf(port), options)).rejects.toThrow(/did not answer/);
});

it('waiting fails at once with the reason of the signal', async () => {
  const controller = new AbortController();
  const waiting = waitUntilReady(clientOf(await freePort()), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

it('waiting fails with the reason of the signal also between two tries', async () => {
  const controller = new AbortController();
  const waiting = waitUntilReady(clientOf(await freePort()), {
    signal: controller.signal,
    onEndTry: () => void setImmediate(() => controller.abort(new Error('enough'))),
  });
  await expect(waiting).rejects.toThrow('enough');
});

it('waiting fails at once for a server with another key', async () => {
  const [theirs, ours] = await Promise.all([newKeyPair(), newKeyPair()]);
  const port = await freePort();
  await startBuildlet({
    address: { kind: 'tcp', host: '127.0.0.1', port },
    tls: { certPem: theirs.certPem, keyPem: theirs.keyPem },
    password: theirs.password(),
  });
  await expect(waitUntilReady(clientOf(port, ours), { signal: never })).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_CERTIFICATE' }),
  );
});
