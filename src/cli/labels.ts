// Labels on the command line.
import { GomoteError } from '../errors.ts';
import { type Labels, whyNoLabel } from '../protocol/labels.ts';

/** A label to filter by. Without a value, any value matches. */
export type WantedLabel = readonly [key: string, value: string | undefined];

/** Adds a `KEY=VALUE` to those before it. Throws ERR_USAGE. */
export function addLabel(text: string, before: Labels): Labels {
  const [key, value] = split('--label', text);
  if (value === undefined || Object.hasOwn(before, key)) {
    const why = value === undefined ? 'has no value' : 'is the second of its key';
    throw new GomoteError('ERR_USAGE', `--label "${text}" ${why}`, { hint });
  }
  return { ...before, [key]: value };
}

/** Adds a `KEY=VALUE` or `KEY` to filter by. Throws ERR_USAGE. */
export const addWantedOf =
  (option: string) =>
  (text: string, before: readonly WantedLabel[]): WantedLabel[] => [...before, split(option, text)];

const hint = 'give KEY=VALUE, such as os=linux';

function split(option: string, text: string): WantedLabel {
  const at = text.indexOf('=');
  const [key, value] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
  const why = whyNoLabel(key, value ?? '');
  if (why === undefined) return [key, value];
  throw new GomoteError('ERR_USAGE', `${option} "${text}": ${why}`, { hint });
}
