import { describe, expect, it } from 'vitest';
import { ScreenModes } from '../../../src/cli/terminal/screen-modes.ts';

function undoOf(...output: string[]): string {
  const modes = new ScreenModes();
  for (const piece of output) modes.push(Buffer.from(piece));
  return modes.undo();
}

describe('the modes of the screen', () => {
  it.each([
    ['the alternate screen', '\x1b[?1049h', '\x1b[?1049l\x1b[m'],
    ['a hidden cursor', '\x1b[?25l', '\x1b[?25h\x1b[m'],
    ['lines that do not wrap', '\x1b[?7l', '\x1b[?7h\x1b[m'],
    ['mouse reports', '\x1b[?1000;1006h', '\x1b[?1006l\x1b[?1000l\x1b[m'],
    ['the keypad', '\x1b=', '\x1b>\x1b[m'],
    ['a scroll region', '\x1b[2;20r', '\x1b[r\x1b[m'],
    ['other keys', '\x1b[>4;2m', '\x1b[>4m\x1b[m'],
    ['keyboard protocols', '\x1b[>1u\x1b[>5u', '\x1b[<2u\x1b[m'],
  ])('are reset: %s', (_what, output, undo) => {
    expect(undoOf(`text ${output} text`)).toBe(undo);
    expect(undoOf(...`text ${output} text`)).toBe(undo);
  });

  it.each([
    ['\x1b[?1049h', '\x1b[?1049l'],
    ['\x1b[?25l', '\x1b[?25h'],
    ['\x1b=', '\x1b>'],
    ['\x1b[2;20r', '\x1b[r'],
    ['\x1b[>4;2m', '\x1b[>4;m'],
    ['\x1b[>4;2m', '\x1b[>4m'],
    ['\x1b[>1u', '\x1b[<u'],
  ])('need no reset when the program has reset them itself: %j %j', (set, reset) => {
    expect(undoOf(set, 'text', reset)).toBe('');
    expect(undoOf(...set, 'text', ...reset)).toBe('');
  });

  it('are not changed by text, colours or bytes of any kind', () => {
    expect(undoOf('plain', '\x1b[31mred\x1b[0m', '\x1b[H\x1b[2J', '\x1b[?25h', 'h\x1b')).toBe('');
  });
});
