// Patterns of gitignore(5): read from lines, and asked for a path.

interface Pattern {
  /** Whether what it matches is kept after all. */
  readonly isNegated: boolean;
  readonly onlyDirectories: boolean;
  /** Whether it is matched with the whole path below its file's directory, not with the last element. */
  readonly isAnchored: boolean;
  readonly regExp: RegExp;
}

/** The patterns of one file, in its order. */
export class IgnorePatterns {
  readonly #patterns: readonly Pattern[];

  constructor(lines: readonly string[]) {
    this.#patterns = lines.map(parsePattern).filter((pattern) => pattern !== undefined);
  }

  /** Whether the path, relative to the file's directory, is ignored, or kept by force; undefined: nothing is said. */
  test(path: string, isDirectory: boolean): boolean | undefined {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const found = this.#patterns.findLast(
      ({ onlyDirectories, isAnchored, regExp }) =>
        (isDirectory || !onlyDirectories) && regExp.test(isAnchored ? path : name),
    );
    return found && !found.isNegated;
  }
}

/** The lines of an ignore file. */
export const ignoreLines = (text: string): string[] => text.replace(/^\uFEFF/, '').split(/\r?\n/);

function parsePattern(line: string): Pattern | undefined {
  if (line.startsWith('#')) return undefined;
  let text = withoutTrailingSpaces(line);
  const isNegated = text.startsWith('!');
  if (isNegated) text = text.slice(1);
  const onlyDirectories = text.endsWith('/');
  if (onlyDirectories) text = text.slice(0, -1);
  if (text === '') return undefined;
  const isAnchored = text.includes('/');
  if (text.startsWith('/')) text = text.slice(1);
  const source = toRegExp(text, isAnchored);
  if (source === undefined) return undefined;
  return { isNegated, onlyDirectories, isAnchored, regExp: new RegExp(`^${source}$`, 'su') };
}

/** Spaces at the end do not count, unless a backslash protects them. */
function withoutTrailingSpaces(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === ' ') end--;
  const backslashes = /\\*$/.exec(line.slice(0, end))?.[0].length ?? 0;
  return line.slice(0, end < line.length && backslashes % 2 === 1 ? end + 1 : end);
}

/** The pattern as the source of a regular expression; undefined when it can match nothing. */
function toRegExp(pattern: string, isAnchored: boolean): string | undefined {
  const elements = pattern.split('/');
  let source = '';
  for (const [index, element] of elements.entries()) {
    const isLast = index === elements.length - 1;
    // Three stars are two, as git has it.
    if (isAnchored && /^\*{2,}$/.test(element)) {
      source += isLast ? '.+' : '(?:.*/)?';
      continue;
    }
    const own = elementToRegExp(element);
    if (own === undefined) return undefined;
    source += isLast ? own : `${own}/`;
  }
  return source;
}

function elementToRegExp(element: string): string | undefined {
  let source = '';
  for (let at = 0; at < element.length; ) {
    const rest = element.slice(at);
    const stars = /^\*+/.exec(rest)?.[0];
    if (stars !== undefined) {
      source += '[^/]*';
      at += stars.length;
    } else if (rest.startsWith('?')) {
      source += '[^/]';
      at++;
    } else if (rest.startsWith('[')) {
      const bracket = bracketOf(rest);
      if (bracket === undefined) return undefined;
      source += bracket.source;
      at += bracket.length;
    } else {
      const member = memberAt(element, at);
      if (member === undefined) return undefined;
      source += hex(member.char);
      at = member.next;
    }
  }
  return source;
}

const classes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    alnum: 'a-zA-Z0-9',
    alpha: 'a-zA-Z',
    blank: ' \\t',
    cntrl: '\\x00-\\x1f\\x7f',
    digit: '0-9',
    graph: '!-~',
    lower: 'a-z',
    print: ' -~',
    punct: '!-\\/:-@\\[-`\\{-~',
    space: '\\s',
    upper: 'A-Z',
    xdigit: '0-9a-fA-F',
  }),
);

/** The bracket expression that `text` begins with; undefined when it is not closed or not valid. */
function bracketOf(text: string): { source: string; length: number } | undefined {
  let at = 1;
  const isNegated = text[at] === '!' || text[at] === '^';
  if (isNegated) at++;
  const items: string[] = [];
  for (let isFirst = true; ; isFirst = false) {
    const name = /^\[:([a-z]*):\]/.exec(text.slice(at));
    if (text[at] === undefined) return undefined;
    if (text[at] === ']' && !isFirst) break;
    if (name !== null) {
      const found = classes.get(name[1] ?? '');
      if (found === undefined) return undefined;
      items.push(found);
      at += name[0].length;
      continue;
    }
    const from = memberAt(text, at);
    if (from === undefined) return undefined;
    at = from.next;
    if (text[at] === '-' && text[at + 1] !== ']' && text[at + 1] !== undefined) {
      const to = memberAt(text, at + 1);
      if (to === undefined) return undefined;
      at = to.next;
      if (from.char <= to.char) items.push(`${hex(from.char)}-${hex(to.char)}`);
    } else items.push(hex(from.char));
  }
  const inner = items.join('');
  // It never matches a slash, nor, when nothing is in it, anything.
  const source = isNegated ? `[^/${inner}]` : inner === '' ? '[^\\s\\S]' : `(?!/)[${inner}]`;
  return { source, length: at + 1 };
}

function memberAt(text: string, at: number): { char: string; next: number } | undefined {
  const start = text[at] === '\\' ? at + 1 : at;
  const code = text.codePointAt(start);
  if (code === undefined) return undefined;
  const char = String.fromCodePoint(code);
  return { char, next: start + char.length };
}

const hex = (char: string): string => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
