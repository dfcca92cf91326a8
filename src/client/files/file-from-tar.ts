// Reads one file of a base-protocol buildlet from an archive.
import { GomoteError } from '../../errors.ts';
import { decompressed } from '../../tar/decompress.ts';
import { type TarEntry, TarReader } from '../../tar/tar-reader.ts';
import type { Connection } from '../connection.ts';
import { getTar, type RemoteFile } from './transfers.ts';

/** Begins to read the file. Reading cannot resume after a cut. */
export async function getFromTar(
  connection: Connection,
  path: string,
  options: { signal?: AbortSignal | undefined },
): Promise<RemoteFile> {
  const download = await getTar(connection, path, { ...options, release: false });
  const pieces = contentOf(decompressed(download.body), path);
  const { value: entry, done } = await pieces.next();
  if (done || Buffer.isBuffer(entry)) throw isDirectory(path);
  const { mode = 0o644, mtime, sizeBytes } = entry;
  return {
    mode: mode & 0o777,
    mtimeMs: mtime?.getTime() ?? Date.now(),
    sizeBytes,
    body: pieces as AsyncGenerator<Buffer>,
    summary: () => ({ ...download.summary(), files: 1, bytes: sizeBytes }),
  };
}

/** The file's entry, then its content. A Go buildlet leaves the entry without a name. */
async function* contentOf(
  tar: AsyncIterable<Buffer>,
  path: string,
): AsyncGenerator<TarEntry | Buffer> {
  const ready: (TarEntry | Buffer)[] = [];
  const own = ['', path.slice(path.lastIndexOf('/') + 1)];
  let entries = 0;
  const reader = new TarReader({
    begin: (entry) => {
      if (entries++ > 0 || !own.includes(entry.name)) throw isDirectory(path);
      if (entry.typeFlag !== '0') {
        throw new GomoteError('ERR_LOCAL_FILE', `${path} is not a regular file`);
      }
      ready.push(entry);
    },
    content: (piece) => ready.push(piece),
    end: () => undefined,
  });
  for await (const piece of tar) {
    reader.push(piece);
    yield* ready.splice(0);
  }
  reader.finish();
}

const isDirectory = (path: string): GomoteError =>
  new GomoteError('ERR_LOCAL_FILE', `${path} is a directory on the buildlet`, {
    hint: 'use gomote pull, or gomote gettar --dir',
  });
