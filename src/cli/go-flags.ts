// Go's flags as commander's: one dash before long names, and -flag=true.
import { GomoteError } from '../errors.ts';

interface GoFlagOptions {
  /** Options with a value, such as `--dir` and `-e`. */
  readonly takesValue: ReadonlySet<string>;
  /** Words after this many operands are not changed. */
  readonly stopAfterOperands?: number;
}

/**
 * Rewrites `-dir=x` to `--dir=x` and `-system=true` to `--system` for long names (given without dashes), and
 * `-e=x` to `-e x`.
 */
export function normalizeGoFlags(
  args: readonly string[],
  longNames: ReadonlySet<string>,
  options: GoFlagOptions,
): string[] {
  const result: string[] = [];
  let operands = 0;
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? '';
    if (word === '--' || operands === options.stopAfterOperands)
      return [...result, ...args.slice(i)];
    if (!word.startsWith('-') || word === '-') {
      operands++;
      result.push(word);
      continue;
    }
    const letter = /^(-[A-Za-z])=(.*)$/s.exec(word);
    if (letter?.[1] !== undefined && options.takesValue.has(letter[1])) {
      result.push(letter[1], letter[2] ?? '');
      continue;
    }
    const flag = toLongFlag(word, longNames);
    const rewritten = isSwitch(flag, longNames, options) ? readSwitch(flag) : flag;
    if (rewritten !== undefined) result.push(rewritten);
    const next = args[i + 1];
    if (options.takesValue.has(flag) && next !== undefined) {
      result.push(next);
      i++;
    }
  }
  return result;
}

function toLongFlag(word: string, longNames: ReadonlySet<string>): string {
  const name = /^-([^-=][^=]+)/.exec(word)?.[1];
  return name !== undefined && longNames.has(name) ? `-${word}` : word;
}

function isSwitch(flag: string, longNames: ReadonlySet<string>, options: GoFlagOptions): boolean {
  const name = /^--([^=]+)=/.exec(flag)?.[1];
  return name !== undefined && longNames.has(name) && !options.takesValue.has(`--${name}`);
}

/** `--flag=true` is the flag, `--flag=false` is nothing. */
function readSwitch(flag: string): string | undefined {
  const [name = '', value = ''] = flag.split('=', 2);
  if (/^(true|1|t)$/i.test(value)) return name;
  if (/^(false|0|f)$/i.test(value)) return undefined;
  throw new GomoteError('ERR_USAGE', `${name} takes no value, or true or false, not "${value}"`, {
    hint: `give ${name} alone`,
  });
}
