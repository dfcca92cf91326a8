// Pinned TLS between a real client and a real TLS server.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import { CoordinatorClient } from '../../src/client/coordinator-client.ts';
import { KeyPair, newKeyPair } from '../../src/client/key-pair.ts';
import { fingerprintOf } from '../../src/http/client/pin.ts';
import { startBuildlet } from '../helpers/buildlet.ts';

const rightPair = await newKeyPair();
const otherPair = await newKeyPair();

/** An own TLS server that counts what reaches it, and how many connections were made. */
async function serve(pair: KeyPair): Promise<{ port: number; requests: string[]; server: Server }> {
  const requests: string[] = [];
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.end('[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port, requests, server };
}

/** The same key in another certificate, which ended long ago. */
async function expired(keyOf: KeyPair): Promise<KeyPair> {
  const key = createPrivateKey(keyOf.keyPem);
  const { cert } = await generate([{ name: 'commonName', value: 'long ago' }], {
    keyPair: {
      privateKey: String(key.export({ type: 'pkcs8', format: 'pem' })),
      publicKey: String(createPublicKey(key).export({ type: 'spki', format: 'pem' })),
    },
    algorithm: 'sha256',
    notBeforeDate: new Date('2001-01-01'),
    notAfterDate: new Date('2002-01-01'),
  });
  return new KeyPair(cert, keyOf.keyPem);
}

function buildletAt(port: number, pair: KeyPair): BuildletClient {
  const client = new BuildletClient(`127.0.0.1:${port}`, pair);
  onTestFinished(() => client.disconnect());
  return client;
}

function coordinatorAt(port: number, fingerprint: string): CoordinatorClient {
  return new CoordinatorClient({
    auth: { username: 'user-me', password: 'the token' },
    instance: { kind: 'tcp', origin: `https://127.0.0.1:${port}`, fingerprint },
  });
}

describe('a buildlet with a key pair', () => {
  it('is reached over TLS with the password of the key', async () => {
    const buildlet = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      password: rightPair.password(),
      tls: { certPem: rightPair.certPem, keyPem: rightPair.keyPem },
    });
    const client = new BuildletClient(buildlet.address, rightPair);
    onTestFinished(() => client.disconnect());
    expect(await client.status()).toMatchObject({ version: expect.any(Number) });
    expect(client.url).toMatch(/^https:/);
  });

  for (const [what, ask] of [
    ['a call', (client: BuildletClient) => client.removeAll(['x'])],
    ['a probe', (client: BuildletClient) => client.probe()],
  ] as const) {
    it(`gets no request when its key is a different one: ${what}`, async () => {
      const { port, requests } = await serve(otherPair);
      await expect(ask(buildletAt(port, rightPair))).rejects.toMatchObject({
        code: 'ERR_CERTIFICATE',
      });
      expect(requests).toEqual([]);
    });

    it(`gets no request when a stranger takes its place, not even over a resumed session: ${what}`, async () => {
      const first = await serve(rightPair);
      const client = buildletAt(first.port, rightPair);
      await ask(client);
      expect(first.requests).toHaveLength(1);
      const tickets = first.server.getTicketKeys();
      first.server.close().closeAllConnections();
      const stranger: string[] = [];
      const server = createServer(
        { cert: otherPair.certPem, key: otherPair.keyPem, ticketKeys: tickets },
        (request, response) => {
          stranger.push(String(request.url));
          response.end();
        },
      );
      await new Promise<void>((resolve) => server.listen(first.port, '127.0.0.1', resolve));
      onTestFinished(() => void server.close().closeAllConnections());
      // The first may still go out on the connection that is being closed.
      await ask(client).catch(() => undefined);
      await expect(ask(client)).rejects.toMatchObject({ code: 'ERR_CERTIFICATE' });
      expect(stranger).toEqual([]);
    });

    it(`is accepted by its key alone, whatever its name and dates: ${what}`, async () => {
      const { port, requests } = await serve(await expired(rightPair));
      await ask(buildletAt(port, rightPair));
      expect(requests).toHaveLength(1);
    });
  }
});

describe('a coordinator with a fingerprint', () => {
  it('is accepted with exactly that certificate, whatever its dates', async () => {
    const old = await expired(rightPair);
    const { port, requests } = await serve(old);
    await coordinatorAt(port, fingerprintOf(old.certPem)).remoteBuildlets();
    expect(requests).toEqual(['GET /buildlet/list']);
  });

  it('is refused with another certificate of the same key, before the token is sent', async () => {
    const { port, requests } = await serve(rightPair);
    const fingerprint = fingerprintOf((await expired(rightPair)).certPem);
    await expect(coordinatorAt(port, fingerprint).remoteBuildlets()).rejects.toMatchObject({
      code: 'ERR_CERTIFICATE',
      message: expect.stringContaining(`sha256:${fingerprintOf(rightPair.certPem)}`),
    });
    expect(requests).toEqual([]);
  });
});
