// The archives of a snapshot: the work directory of a buildlet, and the record of pushes into it.
import { existsSync, fsyncSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { reasonOf, withPath } from '../../files/local-error.ts';
import { readFlags } from '../../files/open-flags.ts';
import { writeNew } from '../../files/write-whole.ts';
import { snapshotFeature } from '../../protocol/features.ts';
import { identityName, recordsDirectory } from '../../protocol/push-record.ts';
import type { SnapshotRecord } from '../../protocol/snapshot.ts';
import { checkedGzip } from '../../tar/checked-gzip.ts';
import { TarReader } from '../../tar/tar-reader.ts';
import { unpackTar } from '../../tar/unpack.ts';

const filesName = 'files.tgz';
const recordsName = 'records.tgz';

/** The default size limit of a snapshot, in bytes. */
export const defaultLimitBytes = 32 * 2 ** 30;

const defaultLimitEntries = 2_000_000;

interface SaveOptions {
  /** Normalized paths to exclude with everything below them, relative to the work directory. */
  readonly exclude: readonly string[];
  /** The size limit, in bytes of unpacked archive. */
  readonly limitBytes: number;
  /** The limit of entries. Default: 2 million. */
  readonly limitEntries?: number | undefined;
  /** Called with the size of each piece before it is written; what it throws ends the work. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/** Writes the archives into `directory`. Throws ERR_LOST when a file changes meanwhile, ERR_QUOTA above the size limit. */
export async function saveArchives(
  client: BuildletClient,
  directory: string,
  { exclude, limitBytes, limitEntries, onBytes, signal }: SaveOptions,
): Promise<Pick<SnapshotRecord, 'files' | 'bytes' | 'storedBytes' | 'hasRecords'>> {
  const isAble = await client.has(snapshotFeature, { signal });
  if (exclude.length > 0 && !isAble) {
    throw new GomoteError('ERR_UNSUPPORTED', `${client.name} cannot leave files out`, {
      hint: 'it is older than this gomote: remove them there, or make a new buildlet',
    });
  }
  const fetch = async (
    dir: string,
    name: string,
  ): Promise<{ files: number; bytes: number; storedBytes: number }> => {
    const options = {
      compress: 'none',
      isPrecise: isAble,
      exclude: dir === '' ? exclude : [],
      signal,
    } as const;
    const download = await client.download(dir, options);
    const path = join(directory, name);
    const source = limited(download.body, { limitBytes, limitEntries, onBytes });
    const storedBytes = await writeNew(path, source, {
      mode: 0o600,
      signal,
      onWhole: (fd) => fsyncSync(fd),
    }).catch((error: unknown) => {
      throw withPath(error, path);
    });
    const { files = 0, bytes = 0 } = download.summary();
    return { files, bytes, storedBytes };
  };
  // A concurrent push is in the files and not in the record: the next push sends those files again.
  const records = await fetch(recordsDirectory, recordsName).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw error;
  });
  const files = await fetch('', filesName);
  return {
    ...files,
    storedBytes: files.storedBytes + (records?.storedBytes ?? 0),
    hasRecords: records !== undefined,
  };
}

/** Unpacks the archives into the work directory of a new buildlet. */
export async function restoreArchives(
  client: BuildletClient,
  directory: string,
  { hasRecords, signal }: { readonly hasRecords: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const send = async (archive: FileHandle, dir: string) => {
    const source = archive.createReadStream({ highWaterMark: 1 << 20, autoClose: false });
    await client.putTar(source, dir, { compress: 'none', hasAnyLinks: true, signal });
  };
  // Both before anything is sent: somebody may remove the snapshot meanwhile.
  const files = await openArchive(directory, filesName);
  let records: FileHandle | undefined;
  try {
    if (hasRecords) records = await openArchive(directory, recordsName);
    if (records !== undefined) {
      await send(records, recordsDirectory);
      await forgetIdentity(client, signal);
    }
    await send(files, '');
  } finally {
    await Promise.all([files.close(), records?.close()]);
  }
}

/** The records of clients about one work directory do not apply to its copies. */
export async function forgetIdentity(client: BuildletClient, signal: AbortSignal): Promise<void> {
  await client.removeAll([`${recordsDirectory}/${identityName}`], { signal });
}

/** Removes all that is in the work directory. */
export async function emptyWorkDir(client: BuildletClient, signal: AbortSignal): Promise<void> {
  const names: string[] = [];
  for await (const { name } of client.listDir('', { signal })) names.push(name);
  if (names.length > 0) await client.removeAll(names, { signal });
}

async function openArchive(directory: string, name: string): Promise<FileHandle> {
  let archive: FileHandle | undefined;
  try {
    // Opening a FIFO would block.
    archive = await open(join(directory, name), readFlags);
    if ((await archive.stat()).isFile()) return archive;
    throw new Error('it is not a regular file');
  } catch (error) {
    await archive?.close();
    const message = `its archive ${name} cannot be read: ${reasonOf(error)}`;
    throw new GomoteError('ERR_LOCAL_FILE', message, { cause: error });
  }
}

/** Unpacks the archives of a snapshot into an empty directory of this machine. */
export async function unpackArchives(
  directory: string,
  root: string,
  signal: AbortSignal,
): Promise<void> {
  const unpack = async (name: string, dir: string) => {
    const archive = await openArchive(directory, name);
    const source = archive.createReadStream({ highWaterMark: 1 << 20 });
    await unpackTar(source, { root, dir, hasAnyLinks: true, signal });
  };
  if (existsSync(join(directory, recordsName))) {
    await unpack(recordsName, recordsDirectory);
    rmSync(join(root, recordsDirectory, identityName), { force: true });
  }
  await unpack(filesName, '');
}

const isAbsent = (error: unknown): boolean =>
  isGomoteError(error) && messageOf(error).includes(`${recordsDirectory}: no such file`);

/**
 * Passes the archive through. Fails with ERR_QUOTA when it unpacks to more than the limits, since a small archive may hold a
 * large tree, and with ERR_LOST when it is damaged.
 */
async function* limited(
  source: AsyncIterable<Uint8Array>,
  {
    limitBytes,
    limitEntries = defaultLimitEntries,
    onBytes,
  }: Pick<SaveOptions, 'limitBytes' | 'limitEntries' | 'onBytes'>,
): AsyncGenerator<Uint8Array> {
  let unpackedBytes = 0;
  let entries = 0;
  const nothing = () => undefined;
  const begin = () => {
    entries++;
  };
  const reader = new TarReader({ begin, content: nothing, hole: nothing, end: nothing });
  const check = () => {
    if (unpackedBytes > limitBytes) {
      throw new GomoteError('ERR_QUOTA', `the snapshot would be larger than ${limitBytes} bytes`, {
        hint: 'leave files out with --exclude, or give a larger --max-size',
      });
    }
    if (entries > limitEntries) {
      const message = `a snapshot may have ${limitEntries} files and directories`;
      throw new GomoteError('ERR_QUOTA', message, { hint: 'leave some out with --exclude' });
    }
  };
  const onContent = (content: Buffer) => {
    unpackedBytes += content.length;
    reader.push(content);
  };
  for await (const chunk of checkedGzip(source, onContent)) {
    check();
    onBytes?.(chunk.length);
    yield chunk;
  }
  check();
  if (!reader.hasEnd) throw new GomoteError('ERR_LOST', 'the archive came without its end');
}
