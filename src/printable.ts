// Text from another machine made safe to show to a person: nothing in it moves the cursor or looks like another text.

/** What {@link printable} leaves as it is, and how much it shows. */
interface PrintableOptions {
  /** Whether newlines stay newlines, for text of several lines such as a stack trace. Default false. */
  readonly newlines?: boolean | undefined;
  /** How much of the text is shown, in UTF-16 code units; `…` stands for the rest. Default 8,192. */
  readonly maxLength?: number | undefined;
}

const defaultMaxLength = 8_192;

/**
 * Control characters (C0, DEL, C1), which terminals obey; marks that reorder text, end lines, or cannot be seen;
 * and halves of surrogate pairs, which stand for no character.
 */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e007f}]/u;
const everyUnsafe = new RegExp(unsafe, 'gu');

const shortForms: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * The text with what a terminal would obey, or an eye would miss, written as `\n`, `\x1b` or `\u202e`. A byte of a
 * file name that is not UTF-8, held as U+DC80 to U+DCFF, is written as the byte: `\xff`. Never throws.
 */
export function printable(
  text: string,
  { newlines = false, maxLength = defaultMaxLength }: PrintableOptions = {},
): string {
  const shown = text.length > maxLength ? `${startOf(text, maxLength)}…` : text;
  if (!unsafe.test(shown)) return shown;
  return shown.replaceAll(everyUnsafe, (character) =>
    newlines && character === '\n' ? character : escaped(character),
  );
}

/** The text as a JSON string, in which a byte of a name that is not UTF-8 is written as the byte: `"caf\\xe9"`. */
export const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(/\\\\|\\udc([89a-f][0-9a-f])/g, (part, byte?: string) =>
    byte === undefined ? part : `\\x${byte}`,
  );

/** JSON that shows nothing unsafe and still means the same: what a JSON string may hold raw is escaped there. */
export function printableJson(json: string): string {
  return json.replaceAll(everyUnsafe, (character) => {
    if (character === '\n') return character;
    return [...Array(character.length).keys()].map((i) => unit(character.charCodeAt(i))).join('');
  });
}

/** The beginning of the text, which does not end within a character. */
function startOf(text: string, length: number): string {
  const isSplit = /[\ud800-\udbff]/.test(text.charAt(length - 1));
  return text.slice(0, isSplit ? length - 1 : length);
}

function escaped(character: string): string {
  const short = shortForms[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${hex(code, 2)}`;
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
  return code <= 0xffff ? unit(code) : `\\u{${hex(code, 0)}}`;
}

const unit = (code: number): string => `\\u${hex(code, 4)}`;
const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0');

/** The last line that is not empty. */
export const lastLine = (text: string): string | undefined =>
  text.trim().split('\n').at(-1)?.trim() || undefined;
