/**
 * An id that no other run or reader of a buildlet has. It is no secret, and so is not worth the loading of Node's
 * crypto, which takes longer than the start of a command.
 */
export const randomId = (): string =>
  Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');
