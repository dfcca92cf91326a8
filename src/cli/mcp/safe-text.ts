// Escapes control characters and invisible characters in text from a machine.
import { printable } from '../../printable.ts';

/** Escape sequences for colours and the like, which mean nothing to a program. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const colours = /\u001b\[[0-9;]*m/g;

/** The text with line ends and tabs, and everything else that is invisible escaped. */
export const safeText = (text: string): string =>
  text
    .replaceAll(colours, '')
    .replaceAll('\r\n', '\n')
    .split('\t')
    .map((part) => printable(part, { newlines: true, maxLength: part.length }))
    .join('\t');
