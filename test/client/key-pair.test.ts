import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KeyPair, NoKeyPair, newKeyPair } from '../../src/client/key-pair.ts';

const openssl = (args: string[], input: string): string => {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
};

describe('newKeyPair', () => {
  it('makes a certificate and an RSA key that openssl accepts and that belong together', async () => {
    const pair = await newKeyPair();
    expect(pair.keyPem).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    expect(openssl(['rsa', '-check', '-noout'], pair.keyPem)).toContain('RSA key ok');
    const keyModulus = openssl(['rsa', '-modulus', '-noout'], pair.keyPem);
    expect(openssl(['x509', '-modulus', '-noout'], pair.certPem)).toBe(keyModulus);
    const certificate = new X509Certificate(pair.certPem);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
    const yearMs = 365 * 24 * 3_600_000;
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now() + 9 * yearMs);
  });

  it('makes a different pair each time', async () => {
    const [one, two] = await Promise.all([newKeyPair(), newKeyPair()]);
    expect(one.keyPem).not.toBe(two.keyPem);
    const serials = [one, two].map(({ certPem }) => new X509Certificate(certPem).serialNumber);
    expect(new Set(serials).size).toBe(2);
  });
});

it('the first of many key pairs is ready before the last', async () => {
  const order: string[] = [];
  const many = Array.from({ length: 6 }, (_, i) => newKeyPair().then(() => order.push(String(i))));
  await Promise.race(many);
  expect(order.length).toBeLessThan(6);
  await Promise.all(many);
  expect(order.toSorted()).toEqual(['0', '1', '2', '3', '4', '5']);
});

describe('KeyPair', () => {
  it('has the SHA-1 of the key as its password', () => {
    const pair = new KeyPair('certificate', 'key\n');
    expect(pair.password()).toBe(createHash('sha1').update('key\n').digest('hex'));
    expect(pair.isZero()).toBe(false);
  });

  it('is zero without certificate and key, with no password', () => {
    expect(NoKeyPair.isZero()).toBe(true);
    expect(NoKeyPair.password()).toBe('');
  });

  it('is printed without its key', () => {
    const pair = new KeyPair('certificate', 'the secret key');
    expect(inspect(pair) + JSON.stringify(pair) + String(pair)).not.toContain('secret');
  });
});
