// The certificate that servers of ours make for themselves, and the TLS they speak.
import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { hostname } from 'node:os';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { newKeyPair } from '../../../src/client/key-pair.ts';
import { tlsIdentity } from '../../../src/coordinator/state/tls-identity.ts';
import { startBuildlet } from '../../helpers/buildlet.ts';
import { startCoordinator } from '../../helpers/coordinator.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

describe('a certificate of our own', () => {
  it('is valid for one server’s names and addresses, and cannot sign others', async () => {
    const made = await tlsIdentity(
      { tls: 'self-signed', listen: { kind: 'tcp', host: '192.0.2.7', port: 1 } },
      temporaryDirectory(),
    );
    const certificate = new X509Certificate(made?.certPem ?? '');
    expect(certificate.ca).toBe(false);
    // Extended key usage: server authentication alone.
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    for (const name of ['localhost', hostname()]) expect(certificate.checkHost(name)).toBe(name);
    for (const ip of ['127.0.0.1', '192.0.2.7']) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.subjectAltName).toContain('IP Address:0:0:0:0:0:0:0:1');
    expect(certificate.checkHost('elsewhere.example')).toBeUndefined();
    expect(certificate.checkIP('192.0.2.8')).toBeUndefined();
  });

  it('is accepted by a client that has it as its only authority', async () => {
    const pair = await newKeyPair();
    const buildlet = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      tls: { certPem: pair.certPem, keyPem: pair.keyPem },
    });
    const status = await new Promise((resolve, reject) => {
      request(`https://${buildlet.address}/`, { ca: pair.certPem }, (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      })
        .once('error', reject)
        .end();
    });
    expect(status).toBe(200);
  });
});

describe('TLS 1.2 of a coordinator', () => {
  const handshake = async (ciphers: string): Promise<string> => {
    const { url } = await startCoordinator({ machines: 1 });
    return await new Promise((resolve) => {
      const socket = connect({
        ...{ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false },
        ...{ ciphers, maxVersion: 'TLSv1.2' },
      });
      socket.once('secureConnect', () => {
        resolve(socket.getCipher().name);
        socket.destroy();
      });
      socket.once('error', () => resolve('refused'));
    });
  };

  it.each(['AES128-GCM-SHA256', 'AES256-SHA256', 'AES128-SHA', 'DHE-RSA-AES128-GCM-SHA256'])(
    'refuses %s',
    async (cipher) => expect(await handshake(cipher)).toBe('refused'),
  );

  it.each(['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'])(
    'accepts %s',
    async (cipher) => expect(await handshake(cipher)).toBe(cipher),
  );
});
