// One file, to a buildlet or from it.
import { basename, join, posix } from 'node:path';
import { GomoteError } from '../errors.ts';
import { whyNoName } from '../files/file-name.ts';
import { stat } from '../files/named-fs.ts';
import { quoted } from '../printable.ts';
import type { TransferSummary } from '../protocol/transfer.ts';
import { checkText } from './arguments.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { openSource, writeWhole } from './local-files.ts';
import { onPath } from './remote-path.ts';
import { defaultMode, type PutOptions, sendFile } from './send-file.ts';
import { checkInside, checkNamed } from './work-dir-path.ts';

/** Where a file goes: under its own name into what ends with a slash, or is not given. */
export function destinationOf(file: string, dest: string | undefined): string {
  if (dest !== undefined) checkNamed('the destination', dest);
  const path = dest === undefined || dest.endsWith('/') ? `${dest ?? ''}${basename(file)}` : dest;
  checkInside('the destination', path);
  return path;
}

export async function putFile(
  place: ConnectedBuildlet,
  file: string,
  dest: string | undefined,
  options: PutOptions & { signal: AbortSignal },
): Promise<TransferSummary> {
  checkText('the file', file);
  const path = destinationOf(file, dest);
  const source = await openSource(file, undefined, 'push sends a tree');
  const mode = options.mode ?? source.mode ?? defaultMode;
  return await source.use((bytes) =>
    sendFile(place, bytes, path, { ...options, mode, into: basename(file) }),
  );
}

/** Where a file that is fetched goes: under its own name into a directory, or into the current one. */
export async function localName(given: string | undefined, path: string): Promise<string> {
  if (given === undefined) return nameHere(path);
  const isDirectory =
    given.endsWith('/') || (await stat(given).catch(() => undefined))?.isDirectory();
  return isDirectory ? join(given, nameHere(path)) : given;
}

/** The name of a buildlet's file as that of a file here. Throws ERR_PATH where Windows would take it for something else. */
export function nameHere(path: string, platform: NodeJS.Platform = process.platform): string {
  const name = posix.basename(path);
  const reason = platform === 'win32' ? whyNoName(name, platform) : undefined;
  if (reason === undefined) return name;
  throw new GomoteError('ERR_PATH', `cannot write ${quoted(name)}: ${reason}`, {
    hint: 'give the file another name here',
  });
}

/** Fetches a file, which has its name here only when it is whole. */
export async function getFile(
  { name, client }: ConnectedBuildlet,
  path: string,
  to: string | undefined,
  { signal }: { signal: AbortSignal },
): Promise<TransferSummary> {
  checkNamed('the file', path);
  if (to === '') throw new GomoteError('ERR_USAGE', 'bad file name ""');
  const file = await localName(to, path);
  const remote = await onPath(name, path, () => client.files.get(path, { signal }));
  await writeWhole(file, remote.body, remote);
  return remote.summary();
}
