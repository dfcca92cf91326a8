import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parseFile } from '../../src/config/file.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64));

const schema = v.strictObject({
  count: v.optional(count),
  names: v.optional(v.pipe(v.array(v.string()), v.minLength(1))),
  table: v.optional(v.record(v.string(), v.string())),
  when: v.optional(v.picklist(['always', 'never'])),
  either: v.optional(v.union([v.string(), v.number()])),
  is: v.optional(v.boolean()),
  own: v.optional(v.pipe(v.string(), v.regex(/x/, 'it has an x'))),
  inner: v.optional(v.strictObject({ lifetime: v.optional(v.string()), text: v.string() })),
});

const parsed = (text: string) => () => parseFile('f.toml', Buffer.from(text), schema, 'ci.md');

describe('a value of a wrong type in a TOML file', () => {
  it.each([
    ['count = 0', 'count: 0: it is at least 1'],
    ['count = 65', 'count: 65: it is at most 64'],
    ['count = 1.5', 'count: 1.5: it is a whole number'],
    ['count = "1"', 'count: "1": it is a number'],
    ['names = []', 'names: []: it is empty'],
    ['names = "a"', 'names: "a": it is a list: ["…"]'],
    ['names = [1]', 'names.0: 1: it is text in quotes'],
    ['table = 1', 'table: 1: it is a table'],
    ['inner = 1', 'inner: 1: it is a table'],
    ['when = "maybe"', 'when: "maybe": it is one of "always", "never"'],
    ['either = true', 'either: true: it is one of string, number'],
    ['is = 1', 'is: 1: it is true or false'],
    ['own = "y"', 'own: "y": it has an x'],
    ['inner = {}', 'inner.text is missing'],
  ])('is named with what it may be: %s', (text, message) => {
    expect(parsed(text)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: `f.toml: ${message}` }),
    );
  });

  it.each([
    ['a mistyped key', 'cuont = 1', /^did you mean "count"\?$/],
    ['a key of another table', 'lifetime = "1h"', /^see .*docs\/ci\.md$/],
    ['a key like no other', 'xyzzy = 1', /^see .*docs\/ci\.md$/],
  ])('is explained: %s', (_, text, hint) => {
    expect(parsed(text)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', hint: expect.stringMatching(hint) }),
    );
  });
});
