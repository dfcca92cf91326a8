// Parses a shell's command line into words without quotes, and quotes a word so that the shell reads
// it literally. Nothing is expanded.

/** The words before the cursor, and the one at the cursor. */
interface ShellLine {
  readonly before: readonly string[];
  /** The word as typed, with quotes. */
  readonly raw: string;
  readonly word: string;
}

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
  readonly length: number;
  readonly isOpen: boolean;
  readonly quoteAt: number | undefined;
}

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
 * The text that bash must put in place of the end of `raw`, from the last word break, so that the word becomes `candidate`;
 * undefined if that is not possible.
 *
 * @param breaks COMP_WORDBREAKS.
 * @param end The text after a complete word.
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
  // Double quotes do not protect `!` from history expansion.
  if (quote === '"' && rest.includes('!')) return undefined;
  const written =
    quote === '"' ? rest.replaceAll(/["\\$`]/g, '\\$&') : rest.replaceAll("'", "'\\''");
  // bash closes the quotes itself, unless the text seems to end with closed quotes.
  return written.endsWith(quote) ? `${written}${quote}` : written;
}

/** The position after the last unquoted word break. */
function afterBreak(raw: string, breaks: string): number {
  for (let at = raw.length; at > 0; at--) {
    const letter = raw[at - 1] ?? '';
    const { isOpen } = readWord(raw.slice(0, at));
    const isQuoted = isOpen || /(^|[^\\])(\\\\)*\\$/.test(raw.slice(0, at - 1));
    if (breaks.includes(letter) && !isQuoted && !/["'\s]/.test(letter)) return at;
  }
  return 0;
}

const escaped = (text: string): string => text.replaceAll(/[^\p{L}\p{M}\p{N}_./:,+@%=-]/gu, '\\$&');
