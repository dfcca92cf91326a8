// Names as Kubernetes allows them: a pod's is the buildlet's.
import { createHash } from 'node:crypto';
import { nextName, type UsedNames } from '../../files/used-names.ts';

/** The longest label value and host name, in characters. */
const limit = 63;

/** What `-<n>` may take of a name. */
const numberRoom = 7;

/** The beginning of the names `<user>-<type>-<n>`, as far as letters, digits and hyphens can show it. */
export function nameStem(user: string, builderType: string): string {
  return shortened(`${user}-${builderType}`, /[^a-z0-9]+/g, limit - numberRoom);
}

/** Any text as a label's value; one that had to be changed ends in a digest, so that two never become one. */
export function labelValue(text: string): string {
  if (/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return `${shortened(text, /[^a-z0-9]+/g, limit - digest.length - 1)}-${digest}`;
}

function shortened(text: string, forbidden: RegExp, length: number): string {
  const plain = text.toLowerCase().replaceAll(forbidden, '-').slice(0, length);
  return plain.replaceAll(/^-+|-+$/g, '') || 'x';
}

/** Gives the next numbers below a stem, each to one at a time in this process. */
export class NameNumbers {
  readonly #inUse = new Set<string>();
  readonly #given: UsedNames | undefined;

  /** @param given Which names were given before. Absent: those of pods that have ended may be given again. */
  constructor(given?: UsedNames) {
    this.#given = given;
  }

  /** The first name that is neither in `used` nor given to another; `release` it when it is made, or not. */
  take(stem: string, used: ReadonlySet<string>): string {
    const name = nextName(stem, this.#given, (one) => used.has(one) || this.#inUse.has(one));
    this.#inUse.add(name);
    return name;
  }

  release(name: string): void {
    this.#inUse.delete(name);
  }
}
