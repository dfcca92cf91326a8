// Creates self-signed certificates and keeps them for the next start.
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { undefinedIfAbsent } from '../../files/if-there.ts';
import { readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import type { ListenAddress } from './listen.ts';
import type { TlsIdentity } from './server.ts';

const yearMs = 365 * 24 * 3_600_000;

/** How many pairs are created at once: a hundred begun together would all be ready only at the end. */
const makersAtOnce = 2;

const makers: Promise<unknown>[] = Array(makersAtOnce).fill(Promise.resolve());

/** The names of every server on its own machine. */
const ownNames = ['localhost', '127.0.0.1', '::1'];

/**
 * Creates a certificate and its key: RSA of 2048 bits, self-signed, valid for ten years from an hour ago. Many are created in
 * turn.
 *
 * @param commonName The kind of server, for people.
 * @param names Host names and IP addresses of the server, in addition to those of the local machine.
 */
export async function newCertificate(
  commonName: string,
  names: readonly string[],
): Promise<TlsIdentity> {
  const [before] = makers.splice(0, 1);
  const all = [...new Set([...ownNames, ...names])];
  const making = Promise.resolve(before).then(() => make(commonName, all));
  // The next waits for this one, whether or not it fails.
  makers.push(making.catch(() => undefined));
  return await making;
}

async function make(commonName: string, names: readonly string[]): Promise<TlsIdentity> {
  const now = Date.now();
  const { generate } = await import('./self-signed.ts');
  const { cert, private: key } = await generate(
    [
      { name: 'organizationName', value: 'gomote' },
      { name: 'commonName', value: commonName },
    ],
    {
      keySize: 2048,
      algorithm: 'sha256',
      // The machine's clock may be behind ours.
      notBeforeDate: new Date(now - 3_600_000),
      notAfterDate: new Date(now + 10 * yearMs),
      extensions: [
        // It identifies one server, and must not sign other certificates.
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        { name: 'subjectAltName', altNames: names.map(toAltName) },
      ],
    },
  );
  const keyPem = createPrivateKey(key).export({ type: 'pkcs1', format: 'pem' });
  return { certPem: withFinalNewline(cert), keyPem: String(keyPem) };
}

const toAltName = (name: string) =>
  isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const);

const withFinalNewline = (pem: string): string => `${pem.replaceAll('\r\n', '\n').trimEnd()}\n`;

interface KeptCertificate {
  readonly certPath: string;
  readonly keyPath: string;
  /** The kind of server, for people. */
  readonly commonName: string;
  readonly listen: ListenAddress;
}

/** The certificate in the files; created when they do not exist. */
export async function keptCertificate(kept: KeptCertificate): Promise<TlsIdentity> {
  const { certPath, keyPath, commonName, listen } = kept;
  const read = async () => ({
    certPem: await readFile(certPath, 'utf8'),
    keyPem: readSecretFile(keyPath),
  });
  const found = await read().catch(undefinedIfAbsent);
  if (found !== undefined) return found;
  const made = await newCertificate(`${commonName} ${hostname()}`.slice(0, 64), namesOf(listen));
  await writeWhole(keyPath, made.keyPem);
  await writeWhole(certPath, made.certPem);
  return made;
}

/** The names and addresses that clients may use for this machine. */
function namesOf(listen: ListenAddress): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
  );
  const given = listen.kind === 'tcp' ? listen.host : '';
  const isEvery = given === '' || given === '0.0.0.0' || given === '::';
  const names = [hostname(), ...(isEvery ? addresses : [given])];
  return names.map((name) => name.replace(/%.*$/, '')).filter(isHostOrAddress);
}

const isHostOrAddress = (name: string): boolean =>
  isIP(name) > 0 || /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(name);
