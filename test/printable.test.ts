import { describe, expect, it } from 'vitest';
import { GomoteError, NotStartedError, StatusError } from '../src/errors.ts';
import { printable, printableJson, quoted } from '../src/printable.ts';

/** Text that a terminal would obey or an eye would take for another, and what is shown of it. */
const hostile: readonly (readonly [name: string, text: string, shown: string])[] = [
  ['a colour', '\u001b[31mred\u001b[0m', '\\x1b[31mred\\x1b[0m'],
  ['a title', '\u001b]0;owned\u0007', '\\x1b]0;owned\\x07'],
  ['an 8-bit escape', '\u009b2Jx\u009d', '\\x9b2Jx\\x9d'],
  ['a newline', 'a\ngomote: done', 'a\\ngomote: done'],
  ['a carriage return', 'bad\rgood', 'bad\\rgood'],
  ['a tab', 'a\tb', 'a\\tb'],
  ['a backspace and a delete', 'a\bb\u007f', 'a\\x08b\\x7f'],
  ['NUL', 'a\0b', 'a\\x00b'],
  ['a bidi override', 'exe\u202etxt.c', 'exe\\u202etxt.c'],
  ['bidi isolates', '\u2066a\u2069', '\\u2066a\\u2069'],
  ['bidi marks', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
  ['line separators', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ['what cannot be seen', 'a\u200bb\ufeffc\u00add', 'a\\u200bb\\ufeffc\\xadd'],
  ['tags', 'a\u{e0041}', 'a\\u{e0041}'],
  ['a byte that is not UTF-8', 'caf\udce9', 'caf\\xe9'],
  ['other lone surrogates', '\ud800a\udc00', '\\ud800a\\udc00'],
];

const harmless = [
  '',
  'plain',
  'naïve café',
  '日本語',
  '👍🏽 👩‍👩‍👧',
  'C:\\dir\\file',
  'a  b',
  'עברית',
];

describe('printable', () => {
  it.each(hostile)('escapes %s', (_name, text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(printable(printable(text))).toBe(shown);
  });

  it.each(harmless)('leaves %j unchanged', (text) => {
    expect(printable(text)).toBe(text);
    expect(printableJson(JSON.stringify(text))).toBe(JSON.stringify(text));
  });

  it('keeps newlines, and only those, when told to', () => {
    expect(printable('a\n\u001bb\r\n', { newlines: true })).toBe('a\n\\x1bb\\r\n');
  });

  it('limits the length, and never splits a character', () => {
    expect(printable('abcdef', { maxLength: 3 })).toBe('abc…');
    expect(printable('ab👍cd', { maxLength: 3 })).toBe('ab…');
    expect(printable('abc', { maxLength: 3 })).toBe('abc');
    expect(printable('x'.repeat(100 << 20)).length).toBe(8_193);
  });

  it.each(hostile)('escapes %s in JSON, which still means the same', (_name, text) => {
    const json = printableJson(JSON.stringify({ [text]: text }, undefined, 2));
    expect(printable(json, { newlines: true })).toBe(json);
    expect(JSON.parse(json)).toEqual({ [text]: text });
  });
});

describe('the message and hint of an error', () => {
  it.each(hostile)('never hold %s', (_name, text, shown) => {
    const error = new GomoteError('ERR_STATUS', `says ${text}`, { hint: `do ${text}` });
    expect([error.message, error.hint]).toEqual([`says ${shown}`, `do ${shown}`]);
    expect(new NotStartedError(text, 'other').message).toContain(shown);
    expect(new StatusError(500, text, `N: ${text}`).message).toBe(`N: ${shown}`);
    expect(new StatusError(500, text, `N: ${text}`).text).toBe(text);
  });
});

it.each([
  ['caf\u00e9', '"caf\u00e9"'],
  ['a\udce9"', '"a\\xe9\\""'],
  ['\\udce9', '"\\\\udce9"'],
  ['\\\udc80\n', '"\\\\\\x80\\n"'],
])('quoted writes %j with the bytes of a name', (text, shown) => {
  expect(quoted(text)).toBe(shown);
});
