// How static machines are known, and what lets this coordinator in.
import { KeyPair } from '../../client/key-pair.ts';
import { GomoteError } from '../../errors.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import type { StaticMachine } from '../pool-config.ts';

export function credentialsOf({ keyPairFile, passwordFile }: StaticMachine) {
  if (keyPairFile !== undefined)
    return readKeyPair(readNamedSecret('key-pair-file', keyPairFile), keyPairFile);
  if (passwordFile === undefined) return undefined;
  return { password: readNamedSecret('password-file', passwordFile).trim() };
}

/** A certificate and its key in one PEM file. */
function readKeyPair(text: string, path: string): KeyPair {
  const [cert, key] = ['CERTIFICATE', 'RSA PRIVATE KEY'].map(
    (what) => new RegExp(`-----BEGIN ${what}-----[^-]+-----END ${what}-----\n`).exec(text)?.[0],
  );
  if (cert !== undefined && key !== undefined) return new KeyPair(cert, key);
  throw new GomoteError('ERR_CONFIG', `${path} does not hold a certificate and an RSA key, PEM`);
}
