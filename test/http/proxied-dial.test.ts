// A machine whose only way out is an HTTP proxy.
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { pipeline } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { newKeyPair } from '../../src/client/key-pair.ts';
import { fingerprintOf } from '../../src/http/client/pin.ts';
import { clientOver, dialling, startReverseServer } from '../helpers/reverse.ts';

/** Connects to whatever is asked for; gives its URL and what was asked for. */
async function startProxy(): Promise<{ url: string; targets: string[] }> {
  const targets: string[] = [];
  const server = createServer();
  server.on('connect', (request, near) => {
    targets.push(request.url ?? '');
    const [host = '', port] = (request.url ?? '').split(':');
    const far = connect(Number(port), host, () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n');
      pipeline(near, far, near, () => undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, targets };
}

it('a dial goes through an HTTP proxy', async () => {
  const pair = await newKeyPair();
  const server = await startReverseServer({ tls: { cert: pair.certPem, key: pair.keyPem } });
  const proxy = await startProxy();
  const arrival = server.next();
  const buildlet = await dialling(`https://${server.address}`, {
    trust: { fingerprint: fingerprintOf(pair.certPem) },
    proxy: proxy.url,
  });
  expect(await clientOver(await arrival).workDir()).toBe(buildlet.workDir);
  expect(proxy.targets).toEqual([server.address]);
});
