// The values of options and arguments; each parser throws ERR_USAGE with the option, the value and an example.
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError } from '../errors.ts';
import { type Cache, cacheModes, cacheName, plainCachePath } from '../protocol/cache.ts';
import { parseMemory } from '../protocol/memory-size.ts';
import { type Compression, parseCompression } from '../protocol/transfer.ts';
import { faultOfPattern } from '../sync/ignore/pattern-fault.ts';

const bad = (option: string, text: string, what: string, hint: string): GomoteError =>
  new GomoteError('ERR_USAGE', `${option} "${text}" is not ${what}`, { hint });

export const contradiction = (one: string, other: string, hint = 'give one of them'): GomoteError =>
  new GomoteError('ERR_USAGE', `${one} and ${other} contradict`, { hint });

const shortOptions: Readonly<Record<string, string>> = { interactive: '-i', tty: '-t' };

/** How people write the option whose value has this key. */
export const optionOf = (key: string): string =>
  shortOptions[key] ?? `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

export const parserOfEither =
  <const Word extends string>(option: string, ...words: readonly [Word, Word]) =>
  (text: string): Word => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new GomoteError('ERR_USAGE', `${option} "${text}" is neither ${words.join(' nor ')}`, {
      hint: 'give one of them',
    });
  };

/** What a sub-command does; throws ERR_USAGE for an unknown one. */
export function verbOf<Verbs extends object>(
  verbs: Verbs,
  what: string,
  command: string,
): Verbs[keyof Verbs] {
  if (Object.hasOwn(verbs, what)) return verbs[what as keyof Verbs];
  throw new GomoteError('ERR_USAGE', `unknown sub-command "${what}"`, {
    hint: didYouMean(what, Object.keys(verbs)) ?? `see gomote ${command} -h`,
  });
}

const givenTo = new WeakMap<object, Set<string>>();

/** Throws ERR_USAGE if `option` contradicts one that was given before. */
export function refuseBoth(command: object, option: string, other: string): void {
  const given = givenTo.get(command) ?? new Set();
  givenTo.set(command, given.add(option));
  if (given.has(other)) throw contradiction(other, option);
}

/** Permission bits in octal: 644, 0644, 0o644. */
export function parseOctalMode(option: string, text: string): number {
  const digits = /^(?:0o)?0*([0-7]{1,3})$/.exec(text)?.[1];
  if (digits === undefined) throw bad(option, text, 'an octal mode', 'give one such as 644 or 755');
  return Number.parseInt(digits, 8);
}

export function parseKeyValue(option: string, text: string): string {
  if (/^[^=\0]+=[^\0]*$/.test(text)) return text;
  throw bad(option, text, 'KEY=VALUE', 'give one such as GOOS=linux');
}

/** A whole number from `least` (default 1) to `limit`. */
export function parseCount(option: string, text: string, limit: number, least = 1): number {
  const count = /^[0-9]{1,6}$/.test(text) ? Number(text) : -1;
  if (count >= least && count <= limit) return count;
  throw bad(option, text, `a number from ${least} to ${limit}`, `give ${option} 3, say`);
}

/** A comma-separated list; empty elements are dropped. */
export function parseCommaList(text: string): string[] {
  return text.split(',').filter((element) => element !== '');
}

/** Go's `-path`: empty means not given, EMPTY an empty PATH, else a comma-separated list. */
export function parsePathOption(text: string): string[] | undefined {
  if (text === '') return undefined;
  return text === 'EMPTY' ? [] : parseCommaList(text);
}

/** How archives and trees are compressed; `auto` decides by the connection. */
export function parseCompress(text: string): Compression | 'auto' {
  const found = text === 'auto' ? text : parseCompression(text);
  if (found !== undefined) return found;
  throw bad('--compress', text, 'a compression', 'give auto, gzip, zstd or none');
}

export const addPatternOf =
  (option: string) =>
  (text: string, before: readonly string[]): string[] => {
    const fault = faultOfPattern(text);
    if (fault === undefined) return [...before, text];
    throw new GomoteError('ERR_USAGE', `${option} "${text}" ${fault}`, {
      hint: "give a pattern as in a .gitignore, such as '*.o' or /build",
    });
  };

export const appendValue = (text: string, before: readonly string[]): string[] => [...before, text];

export const addPattern = addPatternOf('--exclude');

/** A number above 0 with at most three decimals. */
export function parseAmount(option: string, text: string): number {
  const amount = /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : 0;
  if (amount > 0) return amount;
  throw bad(option, text, 'a number above 0', `give ${option} 2, say`);
}

export function parseMemoryOption(option: string, text: string): number {
  const sizeBytes = parseMemory(text);
  if (sizeBytes !== undefined) return sizeBytes;
  throw bad(option, text, 'a size', `give ${option} 512m or 4g, say`);
}

/** NAME:PATH, with `,mode=exclusive` and `,max-size=SIZE`; added to those before it. */
export function addCache(text: string, before: readonly Cache[]): Cache[] {
  const [place = '', ...settings] = text.split(',');
  const [, name = '', path = ''] = /^([^:]*):(.*)$/s.exec(place) ?? [];
  const plain = plainCachePath(path);
  if (!cacheName.test(name) || plain === undefined) {
    throw bad('--cache', text, 'NAME:PATH', 'give one such as go-build:~/.cache/go-build');
  }
  const cache: { -readonly [K in keyof Cache]: Cache[K] } = { name, path: plain };
  for (const setting of settings) {
    const [, key, value = ''] = /^([a-z-]+)=(.*)$/.exec(setting) ?? [];
    const mode = cacheModes.find((one) => one === value);
    if (key === 'max-size') cache.maxBytes = parseMemoryOption('--cache max-size', value);
    else if (key === 'mode' && mode !== undefined) cache.mode = mode;
    else throw bad('--cache', setting, 'a setting', 'give mode=exclusive or max-size=10g');
  }
  return [...before.filter((other) => other.name !== name), cache];
}
