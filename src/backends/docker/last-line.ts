/** The last line that is not empty. */
export const lastLine = (text: string): string | undefined =>
  text.trim().split('\n').at(-1)?.trim() || undefined;
