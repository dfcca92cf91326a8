// How people write the fingerprint of a certificate.

/**
 * The SHA-256 in lower-case hex of a fingerprint in any usual spelling: hex in either case, with or without colons, or
 * base64, each with or without `sha256:` before it, and spaces around. Whatever is no fingerprint stays none.
 */
export function fingerprintDigits(text: string): string {
  const digits = text.trim().replace(/^sha-?256(?: fingerprint)?[:=] ?/i, '');
  if (/^[A-Za-z0-9+/]{43}=?$/.test(digits)) return Buffer.from(digits, 'base64').toString('hex');
  return digits.replaceAll(/[: ]/g, '').toLowerCase();
}

/** What `fingerprintDigits` gives of a fingerprint. */
export const fingerprintPattern = /^[0-9a-f]{64}$/;
