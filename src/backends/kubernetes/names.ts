// Names in the form that Kubernetes allows: a pod has the name of its buildlet.
import { hash } from 'node:crypto';
import { plainNamePart } from '../../builders.ts';
import { randomPartLength } from '../new-name.ts';

/** The longest label value and host name, in characters. */
const limit = 63;

/** The prefix of the names `<user>-<type>-<random>`, reduced to letters, digits and hyphens. */
export function nameStem(user: string, builderType: string): string {
  return shortened(`${user}-${builderType}`, limit - randomPartLength);
}

/** Converts any text to a label value. A changed text gets a digest as suffix, so that values stay distinct. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const digest = hash('sha256', text).slice(0, 10);
  return `${shortened(text, limit - digest.length - 1)}-${digest}`;
}

function shortened(text: string, length: number): string {
  const plain = plainNamePart(text).slice(0, length);
  return plain.replaceAll(/^-+|-+$/g, '') || 'x';
}
