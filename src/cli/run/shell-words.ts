// Quotes words as one would type them in a shell.

/** Joins the words into a line that a shell splits into the same words. Control characters are escaped. */
export const shellLine = (words: readonly string[]): string => words.map(shellWord).join(' ');

function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!/\p{Cc}/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const escaped = word.replaceAll(/[\\']|\p{Cc}/gu, (character) => {
    const known = { '\n': '\\n', '\t': '\\t', '\\': '\\\\', "'": "\\'" }[character];
    return known ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `$'${escaped}'`;
}
