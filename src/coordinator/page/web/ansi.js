// Colours of terminals: escape sequences become classes of spans. All others are left out; nothing of them is obeyed.

const sequence =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /\u001b(?:\[([0-9;:<=>?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|[ -/]*[0-~])/g;

const none = { fg: undefined, bg: undefined, on: '' };

/** The styles as letters: bold, faint, italic, underlined, reversed, struck. */
const styles = { 1: 'b', 2: 'f', 3: 'i', 4: 'u', 7: 'r', 9: 's' };
const ends = { 22: 'bf', 23: 'i', 24: 'u', 27: 'r', 29: 's' };

/** One of the 16 colours for one of 256. */
function nearest(color) {
  if (color < 16) return color;
  if (color >= 232) return [0, 8, 7, 15][Math.floor((color - 232) / 6)];
  const cube = color - 16;
  return ofRgb(
    ...[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) => part * 51),
  );
}

function ofRgb(red = 0, green = 0, blue = 0) {
  const isBright = Math.max(red, green, blue) > 215;
  return (isBright ? 8 : 0) + (red > 110 ? 1 : 0) + (green > 110 ? 2 : 0) + (blue > 110 ? 4 : 0);
}

/** `38;5;N` and `38;2;R;G;B`: the colour, and how many numbers it takes. */
function extended(codes, at) {
  if (codes[at + 1] === 5) return [nearest(Math.min(255, codes[at + 2] ?? 0)), 2];
  if (codes[at + 1] === 2) return [ofRgb(...codes.slice(at + 2, at + 5)), 4];
  return [undefined, 0];
}

/** The state after one sequence that sets styles. */
function styled(state, parameters) {
  const codes = parameters.split(/[;:]/).slice(0, 32).map(Number);
  let next = state;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) next = none;
    else if (styles[code]) next = { ...next, on: next.on.replace(styles[code], '') + styles[code] };
    else if (ends[code])
      next = { ...next, on: [...next.on].filter((one) => !ends[code].includes(one)).join('') };
    else if (code >= 30 && code <= 37) next = { ...next, fg: code - 30 };
    else if (code >= 90 && code <= 97) next = { ...next, fg: code - 82 };
    else if (code >= 40 && code <= 47) next = { ...next, bg: code - 40 };
    else if (code >= 100 && code <= 107) next = { ...next, bg: code - 92 };
    else if (code === 39) next = { ...next, fg: undefined };
    else if (code === 49) next = { ...next, bg: undefined };
    else if (code === 38 || code === 48) {
      const [color, taken] = extended(codes, at);
      next = { ...next, [code === 38 ? 'fg' : 'bg']: color };
      at += taken;
    }
  }
  return next;
}

function classOf({ fg, bg, on }) {
  const names = [...on].map((one) => `a-${one}`);
  if (fg !== undefined) names.push(`fg${fg}`);
  if (bg !== undefined) names.push(`bg${bg}`);
  return names.join(' ');
}

/** The state after the text, and the text's parts with their classes; of a text without sequences that is quick. */
export function ansi(text, state = none) {
  if (!text.includes('\u001b')) return { state, parts: [{ text, className: classOf(state) }] };
  const parts = [];
  let next = state;
  let from = 0;
  for (const match of text.matchAll(sequence)) {
    if (match.index > from)
      parts.push({ text: text.slice(from, match.index), className: classOf(next) });
    from = match.index + match[0].length;
    if (match[2] === 'm') next = styled(next, match[1] || '0');
  }
  if (from < text.length) parts.push({ text: text.slice(from), className: classOf(next) });
  return { state: next, parts };
}

/** The text without sequences. */
export const plain = (text) => (text.includes('\u001b') ? text.replace(sequence, '') : text);
