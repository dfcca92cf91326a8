// Names of new buildlets on platforms that do not remember ended buildlets.
import { randomInt } from 'node:crypto';
import { isGomoteError } from '../errors.ts';

/** Without vowels, which form words, and without characters that look alike. */
const letters = 'bcdfghjkmnpqrstvwxz';
const lettersAndDigits = `${letters}2456789`;

/** The length of the suffix `-<random>`. */
export const randomPartLength = 6;

/** The maximum number of names to try: that many are not taken by chance. */
const tries = 5;

/**
 * Creates something with a name `<stem>-<random>`: earlier names are not remembered across computers, and
 * a name in an old script must not lead to another buildlet. Tries another name after ERR_NAME_TAKEN.
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

/** Begins with a letter, so that it is never mistaken for a number. */
function randomPart(): string {
  const alphabets = [letters, ...Array.from({ length: 4 }, () => lettersAndDigits)];
  return alphabets.map((alphabet) => alphabet[randomInt(alphabet.length)]).join('');
}
