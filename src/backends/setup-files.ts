// Reads a setup script and the files that it needs.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { SetupSource } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { reasonOf } from '../files/local-error.ts';
import { readTrustedFile } from '../files/private-file.ts';
import { quoted } from '../printable.ts';
import type { Setup, SetupFile } from './setup.ts';

/** Reads a file; `what` is its name in messages. */
type ReadSetupFile = (path: string, what: string) => Buffer;

/**
 * @param place The name of the script in messages, and the directory of its files on the buildlet. Default: its path; the
 * work directory.
 * @throws GomoteError ERR_LOCAL_FILE, or errors of `read`.
 */
export function readSetup(
  { directory, script, files, isKept }: SetupSource,
  read: ReadSetupFile,
  { name = script, dir = '.' }: { readonly name?: string; readonly dir?: string } = {},
): Setup {
  return {
    name,
    isKept,
    bytes: readOne(script, `the setup ${quoted(name)}`, read),
    files: files.map((path): SetupFile => {
      const local = join(directory, path);
      const bytes = readOne(local, `the file ${quoted(path)} of the setup ${quoted(name)}`, read);
      const isExecutable = (statSync(local).mode & 0o100) !== 0;
      return { path: join(dir, path), bytes, isExecutable };
    }),
  };
}

/** The setups of a host type and of a builder type, in the order in which they run. */
export const readSetupsOf = (
  ...types: readonly { readonly setup?: SetupSource | undefined }[]
): Setup[] =>
  types.flatMap(({ setup }) => (setup === undefined ? [] : readSetup(setup, readTrustedFile)));

function readOne(path: string, what: string, read: ReadSetupFile): Buffer {
  try {
    return read(path, what);
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    const reason = reasonOf(error);
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read ${what}: ${reason}`, {
      hint: 'check the path and its permissions',
      cause: error,
    });
  }
}
