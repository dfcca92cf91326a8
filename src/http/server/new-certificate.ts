// Self-signed certificates: made, and kept for the next start.
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { errnoOf } from '../../errors.ts';
import { readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import type { ListenAddress } from './listen.ts';
import type { TlsIdentity } from './server.ts';

const yearMs = 365 * 24 * 3_600_000;

/** How many pairs are made at once: of a hundred begun together all would be ready only with the last. */
const makersAtOnce = 2;

const makers: Promise<unknown>[] = Array(makersAtOnce).fill(Promise.resolve());

/** What every server is called on its own machine. */
const ownNames = ['localhost', '127.0.0.1', '::1'];

/**
 * Makes a certificate and its key: RSA of 2048 bits, self-signed, good for ten years from an hour ago. Many are made in
 * turn.
 *
 * @param commonName What kind of server it is, for people.
 * @param names Host names and IP addresses of the server, beyond those that every machine has for itself.
 */
export async function newCertificate(
  commonName: string,
  names: readonly string[],
): Promise<TlsIdentity> {
  const [before] = makers.splice(0, 1);
  const all = [...new Set([...ownNames, ...names])];
  const making = Promise.resolve(before).then(() => make(commonName, all));
  // The next in line waits for this one, however it ends.
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
      // The clock of the machine may be behind ours.
      notBeforeDate: new Date(now - 3_600_000),
      notAfterDate: new Date(now + 10 * yearMs),
      extensions: [
        // Whoever trusts it trusts one server, not all that its key might sign.
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
  /** What kind of server it is, for people. */
  readonly commonName: string;
  readonly listen: ListenAddress;
}

/** The certificate in the files; made when they are not there. */
export async function keptCertificate(kept: KeptCertificate): Promise<TlsIdentity> {
  const { certPath, keyPath, commonName, listen } = kept;
  try {
    return { certPem: await readFile(certPath, 'utf8'), keyPem: readSecretFile(keyPath) };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const made = await newCertificate(`${commonName} ${hostname()}`.slice(0, 64), namesOf(listen));
  await writeWhole(keyPath, made.keyPem);
  await writeWhole(certPath, made.certPem);
  return made;
}

/** What clients may call this machine, as far as it knows. */
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
