// Names of new buildlets on platforms that keep nothing of a buildlet that has ended.
import { randomInt } from 'node:crypto';
import { isGomoteError } from '../errors.ts';

/** Without vowels, which make words, and without characters that look like others. */
const letters = 'bcdfghjkmnpqrstvwxz';
const lettersAndDigits = `${letters}2456789`;

/** How long `-<random>` is at the end of a name. */
export const randomPartLength = 6;

/** How many names are tried: that many in a row are not taken by chance. */
const tries = 5;

/**
 * Makes something with a name `<stem>-<random>`: nobody remembers which names were given before, from any computer, and
 * a name that an old script still knows must not lead to another buildlet. Another name is tried after ERR_NAME_TAKEN.
 */
export async function withNewName<T>(stem: string, make: (name: string) => Promise<T>): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await make(`${stem}-${randomPart()}`);
    } catch (error) {
      if (left === 1 || !isGomoteError(error, 'ERR_NAME_TAKEN')) throw error;
    }
  }
}

/** Begins with a letter, so that it is never taken for a number. */
function randomPart(): string {
  const alphabets = [letters, ...Array.from({ length: 4 }, () => lettersAndDigits)];
  return alphabets.map((alphabet) => alphabet[randomInt(alphabet.length)]).join('');
}
