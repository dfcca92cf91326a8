import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/protocol/reply-fields.ts';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('the JSON of a reply', () => {
  it.each([
    ['lists', nested(33)],
    ['lists that do not end', '['.repeat(1 << 20)],
    ['objects', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
    ['lists after a string with a quote', `["\\"",${nested(33)}]`],
  ])('is refused when it nests deep: %s', (_what, json) => {
    expect(parseJson(json)).toBeUndefined();
  });

  it.each([
    ['a few lists', nested(32)],
    ['many lists side by side', `[${Array(1000).fill(nested(20)).join()}]`],
    ['brackets in a string', JSON.stringify('[{'.repeat(1000))],
    ['brackets after a quote and backslashes', JSON.stringify([`\\"\\\\${'['.repeat(100)}`, '\\'])],
  ])('is read with %s', (_what, json) => {
    expect(parseJson(json)).toEqual(JSON.parse(json));
  });
});
