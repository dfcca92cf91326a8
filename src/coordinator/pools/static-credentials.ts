// How a client of a static machine is made: its address, its certificate, and the password that lets this coordinator in.
import { parseAddress } from '../../client/address.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { KeyPair } from '../../client/key-pair.ts';
import { GomoteError } from '../../errors.ts';
import { readNamedSecret } from '../../files/private-file.ts';
import type { StaticMachine } from '../pool-config.ts';

/** Reads the machine's secrets again: they may have been replaced. */
export function clientOf(machine: StaticMachine): BuildletClient {
  const { keyPair, password } = secretsOf(machine);
  const { fingerprint } = machine;
  if (keyPair !== undefined && password === undefined && fingerprint === undefined) {
    return new BuildletClient(machine.address, keyPair);
  }
  const isPinned = keyPair !== undefined || fingerprint !== undefined;
  const parsed = parseAddress(machine.address, isPinned);
  const address =
    parsed.kind === 'tcp' ? { ...parsed, fingerprint, pinnedCert: keyPair?.certPem } : parsed;
  const credentials = { password: password ?? keyPair?.password() ?? '' };
  return new BuildletClient(address, credentials);
}

/** Throws ERR_CONFIG when others can read one, or it is invalid. */
export function secretsOf({ keyPairFile, passwordFile }: StaticMachine): {
  readonly keyPair: KeyPair | undefined;
  readonly password: string | undefined;
} {
  return {
    keyPair:
      keyPairFile === undefined
        ? undefined
        : readKeyPair(readNamedSecret('key-pair-file', keyPairFile), keyPairFile),
    password:
      passwordFile === undefined
        ? undefined
        : readNamedSecret('password-file', passwordFile).trim(),
  };
}

/** A certificate and its key in one PEM file; the key as PKCS#1, PKCS#8 or SEC 1 has it. */
function readKeyPair(text: string, path: string): KeyPair {
  const block = (what: string) =>
    new RegExp(`-----BEGIN ${what}-----[^-]+-----END ${what}-----\r?\n?`).exec(text)?.[0];
  const cert = block('CERTIFICATE');
  const key = block('(?:RSA |EC )?PRIVATE KEY');
  if (cert !== undefined && key !== undefined) return new KeyPair(cert, key);
  const isEncrypted = block('ENCRYPTED PRIVATE KEY') !== undefined;
  const why = isEncrypted ? 'a key that needs no passphrase' : 'its private key';
  throw new GomoteError('ERR_CONFIG', `${path} does not hold a certificate and ${why}, PEM`);
}
