// Sends a local program to a buildlet, once for each content.
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { CallOptions } from '../client/client-options.ts';
import { isGomoteError } from '../errors.ts';
import { localError } from '../files/local-error.ts';
import { createReadStream } from '../files/named-fs.ts';
import { bytesOfName } from '../protocol/name-bytes.ts';
import type { Buildlet } from './buildlet.ts';

/** The directory of programs, relative to the work directory, beside the pushed trees. */
export const programsDirectory = '.gomote-exec';

/**
 * Sends what is missing there.
 *
 * @param files The program, and files that it needs next to it.
 * @returns The path of the program there, relative to the work directory.
 */
export async function carryProgram(
  buildlet: Buildlet,
  files: readonly [string, ...string[]],
  options: CallOptions = {},
): Promise<string> {
  const directory = `${programsDirectory}/${await digestOf(files)}`;
  const there = await buildlet.files.list(directory, options).catch((error: unknown) => {
    if (isGomoteError(error, 'ERR_NO_SUCH_FILE') || isGomoteError(error, 'ERR_STATUS')) return [];
    throw error;
  });
  const names = new Set(there.map(({ name }) => name));
  for (const file of files) {
    if (names.has(basename(file))) continue;
    // What came from Windows has no such bits.
    await buildlet.put(file, `${directory}/${basename(file)}`, { ...options, mode: 0o755 });
  }
  return `${directory}/${basename(files[0])}`;
}

/** One for all of the names and contents. */
async function digestOf(files: readonly string[]): Promise<string> {
  const all = createHash('sha256');
  for (const file of files) {
    const one = createHash('sha256');
    try {
      await pipeline(createReadStream(file), one);
    } catch (error) {
      throw localError('read', file, error);
    }
    all
      .update(bytesOfName(basename(file)))
      .update('\0')
      .update(one.digest());
  }
  return all.digest('hex').slice(0, 32);
}
