import { describe, expect, it } from 'vitest';
import { formatUnread, parseUnread } from '../../src/protocol/unread.ts';

describe('what could not be read', () => {
  it('is reported with its path and reason, whatever their characters', () => {
    const unread = new Map([
      ['a=b&c\n', 'permission denied'],
      ['caf\udce9', 'no'],
    ]);
    expect(parseUnread(formatUnread(unread))).toEqual(
      new Map([
        ['a=b&c\\n', 'permission denied'],
        ['caf\\xe9', 'no'],
      ]),
    );
  });

  it('is reported for a few paths, with the number of others', () => {
    const many = new Map(Array.from({ length: 50 }, (_, i) => [`${'x'.repeat(5000)}${i}`, 'no']));
    const told = formatUnread(many);
    expect(told.length).toBeLessThan(8_000);
    expect(
      [...parseUnread(formatUnread(new Map([...many.keys()].map((_, i) => [`f${i}`, 'no']))))].at(
        -1,
      ),
    ).toEqual(['others', '40 more']);
  });
});
