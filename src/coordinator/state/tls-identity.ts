// The coordinator's TLS certificate: the configured one, or one that is made at the first start.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import { keptCertificate } from '../../http/server/new-certificate.ts';
import type { TlsIdentity } from '../../http/server/server.ts';
import type { CoordinatorConfig } from '../config.ts';

export async function tlsIdentity(
  { tls, listen }: Pick<CoordinatorConfig, 'tls' | 'listen'>,
  stateDirectory: string,
): Promise<TlsIdentity | undefined> {
  if (tls === 'off') return undefined;
  if (tls !== 'self-signed') {
    return {
      certPem: await read(tls.certFile),
      keyPem: readNamedSecret('tls.key-file', tls.keyFile),
    };
  }
  return await keptCertificate({
    ...{ commonName: 'gomote coordinator', listen },
    certPath: join(stateDirectory, 'tls-cert.pem'),
    keyPath: join(stateDirectory, 'tls-key.pem'),
  });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', `tls: cannot read ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
