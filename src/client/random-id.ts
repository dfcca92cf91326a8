/**
 * A unique id for a run or reader of a buildlet. It is not secret, and so not worth loading Node's
 * crypto, which takes longer than starting a command.
 */
export const randomId = (): string =>
  Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');
