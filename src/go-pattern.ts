// Regular expressions with the syntax and semantics of Go (RE2). Matching takes linear time,
// whatever the text.
import { GomoteError } from './errors.ts';

export interface GoPattern {
  /**
   * Whether it matches somewhere in the text, which is UTF-8.
   *
   * @param isInside Whether the text continues an earlier part, so that `^` does not match at its first byte.
   */
  test(text: Uint8Array, isInside?: boolean): boolean;
}

/** Throws ERR_USAGE when the text is not a regular expression. */
export async function compileGoPattern(option: string, text: string): Promise<GoPattern> {
  const { RE2JS, RE2JSSyntaxException } = await import('./re2.ts');
  try {
    const pattern = RE2JS.compile(text);
    return {
      test: (bytes, isInside = false) =>
        isInside ? pattern.matcher(bytes).find(1) : pattern.test(bytes),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why =
      error instanceof RE2JSSyntaxException
        ? `: ${error.getDescription()}${error.getPattern() ? ` "${error.getPattern()}"` : ''}`
        : '';
    throw new GomoteError('ERR_USAGE', `${option} "${text}" is not a regular expression${why}`, {
      hint: 'the syntax is that of Go and RE2, which has no lookahead and no \\1',
      cause: error,
    });
  }
}
