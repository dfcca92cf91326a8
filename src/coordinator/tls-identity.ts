// The certificate that the coordinator shows: its owner's, or one of its own, made at the first start.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyPair, newKeyPair } from '../client/key-pair.ts';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { TlsIdentity } from '../http/server.ts';
import type { CoordinatorConfig } from './config.ts';

export async function tlsIdentity(
  { tls }: CoordinatorConfig,
  stateDirectory: string,
): Promise<TlsIdentity | undefined> {
  if (tls === 'off') return undefined;
  if (tls !== 'self-signed') {
    return { certPem: await read(tls.certFile), keyPem: await read(tls.keyFile) };
  }
  const [certPath, keyPath] = ['tls-cert.pem', 'tls-key.pem'].map((name) =>
    join(stateDirectory, name),
  ) as [string, string];
  try {
    return new KeyPair(await readFile(certPath, 'utf8'), await readFile(keyPath, 'utf8'));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const made = await newKeyPair();
  await writeWhole(keyPath, made.keyPem);
  await writeWhole(certPath, made.certPem);
  return made;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', `tls: cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
