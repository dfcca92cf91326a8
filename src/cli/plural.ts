// Numbers of things in messages.

/** `1 file`, `2 files`, `0 files`; `many` for a word with a plural of its own. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
