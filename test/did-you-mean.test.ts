// Which name somebody meant who mistyped one.
import { expect, it } from 'vitest';
import { didYouMean, nearest } from '../src/did-you-mean.ts';

it.each([
  ['reelase', 'release'],
  ['relase', 'release'],
  ['Release', 'release'],
  ['locl', 'local'],
  ['loacl', 'local'],
  ['root-locl-0', 'root-local-0'],
  ['amiga', undefined],
  ['', undefined],
  ['x', undefined],
])('"%s" is close to %s', (word, meant) => {
  expect(nearest(word, ['release', 'local', 'root-local-0', 'y'])).toBe(meant);
});

it('a hint is a question', () => {
  expect(didYouMean('locl', ['local'])).toBe('did you mean "local"?');
});
