// Text of a machine as an answer carries it: characters that a terminal obeys, or an eye misses, are written out.
import { printable } from '../../printable.ts';

/** Colours and the like, which say nothing to a program. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const colours = /\u001b\[[0-9;]*m/g;

/** The text with its lines and tabs, and nothing else that is not to be seen. */
export const safeText = (text: string): string =>
  text
    .replaceAll(colours, '')
    .replaceAll('\r\n', '\n')
    .split('\t')
    .map((part) => printable(part, { newlines: true, maxLength: part.length }))
    .join('\t');
