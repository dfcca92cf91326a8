// The coordinator's TLS certificate: the configured one, or one that is made at the first start.
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { KeyPair, newKeyPair } from '../../client/key-pair.ts';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { readNamedSecret, readSecretFile } from '../../files/private-file.ts';
import { writeWhole } from '../../files/write-whole.ts';
import type { ListenAddress } from '../../http/server/listen.ts';
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
  const [certPath, keyPath] = ['tls-cert.pem', 'tls-key.pem'].map((name) =>
    join(stateDirectory, name),
  ) as [string, string];
  try {
    return new KeyPair(await readFile(certPath, 'utf8'), readSecretFile(keyPath));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const made = await newKeyPair(namesOf(listen));
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

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', `tls: cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
