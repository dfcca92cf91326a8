// What stands on a shell's command line: its words without their quotes, and how a word is written so that the shell takes
// it as it is. Nothing is expanded.

/** The words before the cursor, and the one at the cursor. */
export interface ShellLine {
  readonly before: readonly string[];
  /** As typed, with its quotes. */
  readonly raw: string;
  /** What the shell makes of it. */
  readonly word: string;
}

/** Reads a line of bash up to the cursor. */
export function readLine(line: string): ShellLine {
  const before: string[] = [];
  for (let at = 0; ; ) {
    while (/\s/.test(line[at] ?? '')) at++;
    const { word, length, isOpen } = readWord(line.slice(at));
    const end = at + length;
    if (isOpen || end >= line.length) return { before, raw: line.slice(at), word };
    before.push(word);
    at = end;
  }
}

interface Word {
  readonly word: string;
  /** How much of the text it is. */
  readonly length: number;
  /** Whether the text ends inside of quotes. */
  readonly isOpen: boolean;
  /** Where the quotes begin that the text ends in. */
  readonly quoteAt: number | undefined;
}

/** Reads the word that the text begins with. */
export function readWord(text: string): Word {
  let word = '';
  let quote = '';
  let quoteAt: number | undefined;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] ?? '';
    if (letter === quote) [quote, quoteAt] = ['', undefined];
    else if (quote === "'") word += letter;
    else if (letter === '\\') {
      const next = text[++at] ?? '';
      word += quote !== '' && !'"\\$`'.includes(next) ? `\\${next}` : next;
    } else if (quote === '' && (letter === "'" || letter === '"')) [quote, quoteAt] = [letter, at];
    else if (quote === '' && /\s/.test(letter))
      return { word, length: at, isOpen: false, quoteAt: undefined };
    else word += letter;
  }
  return { word, length: text.length, isOpen: quote !== '', quoteAt };
}

/**
 * What bash has to put in place of the end of `raw`, from where it breaks words, so that the word becomes `candidate`;
 * undefined if that cannot be written there.
 *
 * @param breaks COMP_WORDBREAKS.
 * @param end What follows when the word is complete.
 */
export function bashReply(
  { raw, breaks }: { raw: string; breaks: string },
  candidate: string,
  end: string,
): string | undefined {
  const { quoteAt } = readWord(raw);
  if (quoteAt === undefined) {
    const kept = readWord(raw.slice(0, afterBreak(raw, breaks))).word;
    return `${escaped(candidate.slice(kept.length))}${end}`;
  }
  const rest = candidate.slice(readWord(raw.slice(0, quoteAt)).word.length);
  const quote = raw[quoteAt] ?? '';
  // In double quotes, nothing hides it from the history.
  if (quote === '"' && rest.includes('!')) return undefined;
  const written =
    quote === '"' ? rest.replaceAll(/["\\$`]/g, '\\$&') : rest.replaceAll("'", "'\\''");
  // bash closes the quotes itself, unless what it finds at the end looks as if they were closed.
  return written.endsWith(quote) ? `${written}${quote}` : written;
}

/** Behind the last character that breaks a word and is not quoted. */
function afterBreak(raw: string, breaks: string): number {
  for (let at = raw.length; at > 0; at--) {
    const letter = raw[at - 1] ?? '';
    const { isOpen } = readWord(raw.slice(0, at));
    const isQuoted = isOpen || /(^|[^\\])(\\\\)*\\$/.test(raw.slice(0, at - 1));
    if (breaks.includes(letter) && !isQuoted && !/["'\s]/.test(letter)) return at;
  }
  return 0;
}

/** The text with a backslash before each character that a shell may take for anything but itself. */
const escaped = (text: string): string => text.replaceAll(/[^\p{L}\p{M}\p{N}_./:,+@%=-]/gu, '\\$&');
