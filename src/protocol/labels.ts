// Labels of buildlets: a few short texts that their user gives them, kept where the buildlet is. What comes back from there is
// checked again.

/** Labels of a buildlet, by their keys. */
export type Labels = Readonly<Record<string, string>>;

/** The label by which commands find a buildlet. */
export const nameLabel = 'name';

const mostLabels = 32;

/** What a label of Kubernetes may be called. */
const key = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Characters that can be seen, and spaces between them. */
const value = /^(?:[^\p{C}\p{Z}](?:[^\p{C}\p{Zl}\p{Zp}]{0,198}[^\p{C}\p{Z}])?)?$/u;

/** Why there cannot be such a label; undefined when there can. */
export function whyNoLabel(name: string, text: string): string | undefined {
  if (!key.test(name)) {
    return 'its key is not 1 to 63 letters, digits, ".", "_" and "-", with a letter or digit at both ends';
  }
  return value.test(text) ? undefined : 'its value is not up to 200 characters that can be shown';
}

export const areTooMany = (labels: Labels): boolean => Object.keys(labels).length > mostLabels;

/** Those of an object from elsewhere that are labels; undefined when there are none. */
export function labelsOf(given: unknown): Labels | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const found = Object.entries(given)
    .filter(([name, text]) => typeof text === 'string' && whyNoLabel(name, text) === undefined)
    .slice(0, mostLabels);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** Those in a text of JSON, as {@link labelsOf} has them. */
export function labelsInText(text: string | undefined): Labels | undefined {
  try {
    return labelsOf(JSON.parse(text ?? 'null'));
  } catch {
    return undefined;
  }
}

/** Whether it has all of the wanted labels; a wanted one without a value stands for any. */
export const hasLabels = (
  labels: Labels | undefined,
  wanted: readonly (readonly [name: string, text: string | undefined])[],
): boolean =>
  wanted.every(([name, text]) => {
    const found = labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
    return found !== undefined && (text === undefined || found === text);
  });
