// Labels of buildlets: short texts from the user, stored with the buildlet. What is read back from there is
// checked again.

/** Labels of a buildlet, by their keys. */
export type Labels = Readonly<Record<string, string>>;

/** The label by which commands find a buildlet. */
export const nameLabel = 'name';

const mostLabels = 32;

/** Keys follow the rules for labels of Kubernetes. */
const key = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Visible characters, and spaces between them. */
const value = /^(?:[^\p{C}\p{Z}](?:[^\p{C}\p{Zl}\p{Zp}]{0,198}[^\p{C}\p{Z}])?)?$/u;

/** Why the label is invalid; undefined when it is valid. */
export function whyNoLabel(name: string, text: string): string | undefined {
  if (!key.test(name)) {
    return 'its key is not 1 to 63 letters, digits, ".", "_" and "-", with a letter or digit at both ends';
  }
  return value.test(text) ? undefined : 'its value is not up to 200 characters that can be shown';
}

export const areTooMany = (labels: Labels): boolean => Object.keys(labels).length > mostLabels;

/** The valid labels of an untrusted object; undefined when there are none. */
export function labelsOf(given: unknown): Labels | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const found = Object.entries(given)
    .filter(([name, text]) => typeof text === 'string' && whyNoLabel(name, text) === undefined)
    .slice(0, mostLabels);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** Like {@link labelsOf}, for JSON text. */
export function labelsInText(text: string | undefined): Labels | undefined {
  try {
    return labelsOf(JSON.parse(text ?? 'null'));
  } catch {
    return undefined;
  }
}

/** Labels that are wanted; one without a value stands for any. */
export type WantedLabels = readonly (readonly [name: string, text: string | undefined])[];

/** As JSON that a header can have. */
export const asciiJson = (labels: Labels): string =>
  JSON.stringify(labels).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Whether it has all of the wanted labels. */
export const hasLabels = (labels: Labels | undefined, wanted: WantedLabels): boolean =>
  wanted.every(([name, text]) => {
    const found = labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
    return found !== undefined && (text === undefined || found === text);
  });

/** Reads each `KEY=VALUE` or `KEY`; undefined when one is neither, or there are too many. */
export function parseWantedLabels(texts: readonly string[]): WantedLabels | undefined {
  if (texts.length > mostLabels) return undefined;
  const wanted = texts.map((text): WantedLabels[number] => {
    const [name = '', ...rest] = text.split('=');
    return [name, rest.length === 0 ? undefined : rest.join('=')];
  });
  const isLabel = ([name, text = '']: WantedLabels[number]) => whyNoLabel(name, text) === undefined;
  return wanted.every(isLabel) ? wanted : undefined;
}

/** `KEY=VALUE`. */
export const labelText = ([name, text]: readonly [string, string]): string => `${name}=${text}`;

/** `KEY=VALUE` or `KEY`. */
export const wantedLabelText = ([name, text]: WantedLabels[number]): string =>
  text === undefined ? name : labelText([name, text]);

/** Words for machines that have the labels: ` with KEY=VALUE`, or nothing. */
export const wantedText = (wanted: WantedLabels): string =>
  wanted.length === 0 ? '' : ` with ${wanted.map(wantedLabelText).join(' and ')}`;
