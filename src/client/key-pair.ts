// The certificate and key of a buildlet's TLS server, and the password that goes with them.
import { createHash, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';

/** A self-signed certificate and its private key. It prints without its key. */
export class KeyPair {
  /** The certificate, PEM; empty for the zero pair. */
  readonly certPem: string;
  readonly #keyPem: string;

  constructor(certPem: string, keyPem: string) {
    this.certPem = certPem;
    this.#keyPem = keyPem;
  }

  /** The RSA key, PKCS#1 PEM; empty for the zero pair. A secret. */
  get keyPem(): string {
    return this.#keyPem;
  }

  /** Whether it is no pair at all: plain HTTP, no password. */
  isZero(): boolean {
    return this.certPem === '' && this.#keyPem === '';
  }

  /** The buildlet's password: the lower-case hex SHA-1 of the key's PEM text; empty for the zero pair. */
  password(): string {
    if (this.isZero()) return '';
    return createHash('sha1').update(this.#keyPem).digest('hex');
  }
}

/** Plain HTTP: for buildlets behind a firewall or on a unix socket. */
export const NoKeyPair: KeyPair = new KeyPair('', '');

const yearMs = 365 * 24 * 3_600_000;

/** How many pairs are made at once: of a hundred begun together all would be ready only with the last. */
const makersAtOnce = 2;

const makers: Promise<unknown>[] = Array(makersAtOnce).fill(Promise.resolve());

/** What every server is called on its own machine. */
const ownNames = ['localhost', '127.0.0.1', '::1'];

/**
 * Makes a pair: RSA of 2048 bits, self-signed, good for ten years from an hour ago. Many are made in turn.
 *
 * @param names Host names and IP addresses of the server, beyond those that every machine has for itself.
 */
export async function newKeyPair(names: readonly string[] = []): Promise<KeyPair> {
  const [before] = makers.splice(0, 1);
  const all = [...new Set([...ownNames, ...names])];
  const making = Promise.resolve(before).then(() => makeKeyPair(all));
  // The next in line waits for this one, however it ends.
  makers.push(making.catch(() => undefined));
  return await making;
}

async function makeKeyPair(names: readonly string[]): Promise<KeyPair> {
  const now = Date.now();
  const { generate } = await import('./self-signed.ts');
  const { cert, private: key } = await generate(
    [
      { name: 'organizationName', value: 'gomote' },
      { name: 'commonName', value: 'gomote buildlet' },
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
  return new KeyPair(withFinalNewline(cert), String(keyPem));
}

const toAltName = (name: string) =>
  isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const);

const withFinalNewline = (pem: string): string => `${pem.replaceAll('\r\n', '\n').trimEnd()}\n`;
