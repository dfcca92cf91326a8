import { expect, it } from 'vitest';
import { inRed } from '../../src/cli/terminal.ts';

const terminal = { isTTY: true };

it('is red on a terminal', async () => {
  expect(await inRed(terminal, {}, true, 'text')).toBe('\x1b[31mtext\x1b[39m');
});

it.each([
  ['elsewhere', {}, {}, true],
  ['on a terminal without colours', terminal, { TERM: 'dumb' }, true],
  ['when no colour is wanted', terminal, {}, false],
] as const)('is plain %s', async (_where, stream, environment, wanted) => {
  expect(await inRed(stream, environment, wanted, 'text')).toBe('text');
});
