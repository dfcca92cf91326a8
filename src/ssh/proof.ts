// Public key authentication with the one accepted key.
import { timingSafeEqual } from 'node:crypto';
import type { PublicKeyProof } from 'ssh2/lib/protocol/Protocol.js';
import type { ParsedKey } from './ssh2.ts';

/** `known`: the key is accepted, but there is no signature yet. */
export function judge(userKey: ParsedKey, method: string, data: unknown): 'in' | 'known' | 'out' {
  if (method !== 'publickey') return 'out';
  const { key, signature, blob, hashAlgo } = data as PublicKeyProof;
  const wanted = userKey.getPublicSSH();
  if (key.length !== wanted.length || !timingSafeEqual(key, wanted)) return 'out';
  if (signature === undefined || blob === undefined) return 'known';
  return userKey.verify(blob, signature, hashAlgo) === true ? 'in' : 'out';
}
