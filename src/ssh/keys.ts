// The key pairs of gomote's SSH server.
import { generateKeyPairSync, type ParsedKey, parseKey } from './ssh2.ts';

/** A key pair in the file formats of OpenSSH. */
interface KeyFiles {
  readonly privateKey: string;
  /** One line: type, key and comment. */
  readonly publicKey: string;
}

/** A new key pair. */
export function makeKeys(comment: string): KeyFiles {
  for (;;) {
    const { private: privateKey, public: publicKey } = generateKeyPairSync('ed25519', { comment });
    // ssh2 drops zero bytes at the beginning of a public key: one pair in 256 cannot be read.
    if (readKey(privateKey) !== undefined && readKey(publicKey) !== undefined)
      return { privateKey, publicKey };
  }
}

/** Parses the text of a key file; undefined when it is invalid. */
export function readKey(text: string): ParsedKey | undefined {
  const key = parseKey(text);
  return key instanceof Error ? undefined : key;
}
