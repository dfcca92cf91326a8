// Counts in messages.

/** `1 file`, `2 files`, `0 files`; `many` for an irregular plural. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
