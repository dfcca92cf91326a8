// How people write the fingerprint of a certificate.

/** The SHA-256 in lower-case hex, without `sha256:` and colons; whatever is no fingerprint stays none. */
export const fingerprintDigits = (text: string): string =>
  text
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase();

/** What `fingerprintDigits` gives of a fingerprint. */
export const fingerprintPattern = /^[0-9a-f]{64}$/;
