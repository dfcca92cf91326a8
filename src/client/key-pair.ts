// The certificate and key of a buildlet's TLS server, and the password that goes with them.

/**
 * A self-signed certificate and its private key. It is printed without its key.
 *
 * @example
 * const pair = new KeyPair(certPem, keyPem);
 * const client = new BuildletClient('10.0.0.7:443', pair);
 * if (!pair.isZero()) await writeFile('password', pair.password(), { mode: 0o600 });
 */
export class KeyPair {
  /** The certificate, PEM; empty for the zero pair. */
  readonly certPem: string;
  readonly #keyPem: string;

  constructor(certPem: string, keyPem: string) {
    this.certPem = certPem;
    this.#keyPem = keyPem;
  }

  /** The key, PEM; empty for the zero pair. A secret. */
  get keyPem(): string {
    return this.#keyPem;
  }

  /** Whether it is empty: plain HTTP, no password. */
  isZero(): boolean {
    return this.certPem === '' && this.#keyPem === '';
  }

  /** The buildlet's password: the lower-case hex SHA-1 of the key's PEM text; empty for the zero pair. */
  password(): string {
    if (this.isZero()) return '';
    return process
      .getBuiltinModule('node:crypto')
      .createHash('sha1')
      .update(this.#keyPem)
      .digest('hex');
  }
}

/** Plain HTTP: for buildlets behind a firewall or on a unix socket. */
export const NoKeyPair: KeyPair = new KeyPair('', '');

/**
 * Creates a pair: RSA of 2048 bits, self-signed, valid for ten years from an hour ago. Many are created in turn.
 *
 * @param names Host names and IP addresses of the server, in addition to those of the local machine.
 *
 * @example
 * const { certPem, keyPem } = await newKeyPair(['build-1.example.com', '10.0.0.7']);
 */
export async function newKeyPair(names: readonly string[] = []): Promise<KeyPair> {
  const { newCertificate } = await import('../http/server/new-certificate.ts');
  const { certPem, keyPem } = await newCertificate('gomote buildlet', names);
  return new KeyPair(certPem, keyPem);
}
