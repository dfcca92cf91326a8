import { describe, expect, it } from 'vitest';
import { EscapeKeys } from '../../../src/cli/terminal/escape-keys.ts';

function typed(...pieces: string[]) {
  const keys = new EscapeKeys();
  const results = pieces.map((piece) => keys.push(Buffer.from(piece, 'latin1')));
  return {
    sent: Buffer.concat(results.map(({ rest }) => rest)).toString('latin1'),
    asked: results.flatMap(({ asked }) => asked),
  };
}

describe('escape keys', () => {
  it.each([
    ['~.', 'end'],
    ['~d', 'detach'],
    ['~\x1a', 'suspend'],
    ['~?', 'help'],
  ])('%j at the very start, or at the start of a line, are for gomote', (keys, asked) => {
    expect(typed(keys)).toEqual({ sent: '', asked: [asked] });
    expect(typed(`ls\r${keys}`)).toEqual({ sent: 'ls\r', asked: [asked] });
    expect(typed(`ls\n${keys}`)).toEqual({ sent: 'ls\n', asked: [asked] });
    expect(typed('ls\r', ...keys)).toEqual({ sent: 'ls\r', asked: [asked] });
  });

  it('in the middle of a line are for the command', () => {
    expect(typed('a~.')).toEqual({ sent: 'a~.', asked: [] });
    expect(typed('a', '~', '.')).toEqual({ sent: 'a~.', asked: [] });
    expect(typed('\r ~.')).toEqual({ sent: '\r ~.', asked: [] });
  });

  it('send one tilde for two, and everything else unchanged', () => {
    expect(typed('~~.')).toEqual({ sent: '~.', asked: [] });
    expect(typed('~/bin\r~', 'x\r')).toEqual({ sent: '~/bin\r~x\r', asked: [] });
    expect(typed('~\r~.')).toEqual({ sent: '~\r', asked: ['end'] });
  });

  it('hold a tilde back until the next key', () => {
    expect(typed('~')).toEqual({ sent: '', asked: [] });
  });

  it('may follow each other', () => {
    expect(typed('~?~?\r~.')).toEqual({ sent: '\r', asked: ['help', 'help', 'end'] });
  });

  it('leave every other byte unchanged', () => {
    const all = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
    expect(typed(all)).toEqual({ sent: all, asked: [] });
  });
});
