// Checks a pattern of gitignore(5) that a user typed.

/** Why a pattern is invalid or can match nothing; undefined for a good one. */
export function faultOfPattern(pattern: string): string | undefined {
  const body = pattern.replace(/^!/, '').trim();
  if (body === '' || body === '/') return 'is empty';
  if (/[\n\r\0]/.test(pattern)) return 'has more than one line';
  if (pattern.startsWith('#')) return 'is a comment; write \\# for a name with #';
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(body)) return 'ends with a backslash';
  if (/^\.{1,2}(?:\/|$)|\/\.{1,2}(?:\/|$)|\/\//.test(body)) return 'has . or .. or // in its path';
  return faultOfBrackets(body);
}

function faultOfBrackets(body: string): string | undefined {
  const classes = /\\.|\[[!^]?\]?((?:\[:\w+:\]|\\.|[^\]\\])*)\]/gsu;
  for (const [whole, inside] of body.matchAll(classes)) {
    const ranges = (inside ?? '').matchAll(/(\\.|[^\\])-(\\.|[^\\])/gsu);
    for (const [, from = '', to = ''] of ranges) {
      if (from.slice(-1) > to.slice(-1)) return `has the range ${whole}, which is empty`;
    }
  }
  return body.replaceAll(classes, '').includes('[') ? 'has a [ without its ]' : undefined;
}
