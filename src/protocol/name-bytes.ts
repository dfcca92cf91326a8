// File names are bytes, usually UTF-8. In text, a byte that is not part of valid UTF-8 becomes a lone surrogate, U+DC80 to
// U+DCFF, as in Python (PEP 383): such text can represent any name and be converted back.
import { isUtf8 } from 'node:buffer';

/** The text that stands for these bytes. */
export function nameFromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString();
  let text = '';
  let validFrom = 0;
  for (let at = 0; at < buffer.length; ) {
    const length = characterLength(buffer, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += buffer.toString('utf8', validFrom, at) + escapeOf(buffer[at] ?? 0);
    validFrom = ++at;
  }
  return text + buffer.toString('utf8', validFrom);
}

/** The bytes that the text stands for. */
export function bytesOfName(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts: Buffer[] = [];
  let from = 0;
  for (const { 0: escapes, index } of text.matchAll(/[\udc80-\udcff]+/gu)) {
    parts.push(Buffer.from(text.slice(from, index)));
    parts.push(Buffer.from(Array.from(escapes, (unit) => unit.charCodeAt(0) - escapeBase)));
    from = index + escapes.length;
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
}

/** The bytes of the text, for hashing. */
export const encodable = (text: string): string | Buffer =>
  text.isWellFormed() ? text : bytesOfName(text);

const escapeBase = 0xdc00;

const escapeOf = (byte: number): string => String.fromCharCode(escapeBase + byte);

/** How many bytes the character at `at` has; 0 when no valid one is there. */
function characterLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
