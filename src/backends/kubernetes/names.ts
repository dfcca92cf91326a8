// Names as Kubernetes allows them: a pod's is the buildlet's.
import { createHash } from 'node:crypto';
import { plainNamePart } from '../../builders.ts';
import { randomPartLength } from '../new-name.ts';

/** The longest label value and host name, in characters. */
const limit = 63;

/** The beginning of the names `<user>-<type>-<random>`, as far as letters, digits and hyphens can show it. */
export function nameStem(user: string, builderType: string): string {
  return shortened(`${user}-${builderType}`, limit - randomPartLength);
}

/** Any text as a label's value; one that had to be changed ends in a digest, so that two never become one. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return `${shortened(text, limit - digest.length - 1)}-${digest}`;
}

function shortened(text: string, length: number): string {
  const plain = plainNamePart(text).slice(0, length);
  return plain.replaceAll(/^-+|-+$/g, '') || 'x';
}
