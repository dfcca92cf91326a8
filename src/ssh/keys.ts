// The keys of our SSH: made here, and each held to what it is for.
import { generateKeyPairSync, type ParsedKey, parseKey } from './ssh2.ts';

/** A key pair as OpenSSH keeps it in files. */
export interface KeyFiles {
  readonly privateKey: string;
  /** One line: type, key, comment. */
  readonly publicKey: string;
}

export function makeKeys(comment: string): KeyFiles {
  const { private: privateKey, public: publicKey } = generateKeyPairSync('ed25519', { comment });
  return { privateKey, publicKey };
}

/** The key in the text of a file; undefined when there is none. */
export function readKey(text: string): ParsedKey | undefined {
  const key = parseKey(text);
  return key instanceof Error ? undefined : key;
}
