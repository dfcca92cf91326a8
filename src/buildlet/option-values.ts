// What the options of a buildlet have in common.
import { GomoteError } from '../errors.ts';
import { readNamedSecret } from '../files/private-file.ts';

interface Flag {
  readonly type: 'string';
  readonly multiple?: true;
}

/** The values of these flags, as `parseArgs` gives them. */
export type ValuesOf<Flags extends Readonly<Record<string, Flag>>> = {
  readonly [Name in keyof Flags]?:
    | (Flags[Name] extends { multiple: true } ? readonly string[] : string)
    | undefined;
};

/** The first line of a file with a secret; empty when it has none. Throws ERR_CONFIG, see {@link readNamedSecret}. */
export const secretLine = (option: string, file: string): string =>
  readNamedSecret(option, file).trim().split(/\r?\n/, 1)[0] ?? '';

export const usage = (message: string, hint: string): GomoteError =>
  new GomoteError('ERR_USAGE', message, { hint });
