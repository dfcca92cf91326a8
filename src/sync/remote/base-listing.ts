// What a buildlet that knows nothing of trees holds: its listing, and the records of pushes in its work dir.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, StatusError } from '../../errors.ts';
import { isReserved } from '../../files/reserved-names.ts';
import { nameFromBytes } from '../../protocol/name-bytes.ts';
import {
  decodeRecord,
  identityName,
  isIdentity,
  type PushRecord,
  recordName,
  recordsDirectory,
} from '../../protocol/push-record.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { decompressed } from '../../tar/decompress.ts';
import { relativeElements } from '../../tar/entry-name.ts';
import { type TarEntry, TarReader, type TarSink } from '../../tar/tar-reader.ts';

export interface ListTreeOptions {
  /** Told what cannot be listed, and why. */
  readonly onUnreadable?: (name: string, reason: string) => void;
  /** Told of each FIFO, device and socket. */
  readonly onOther?: (name: string) => void;
}

/**
 * Everything below the directory, files with their SHA-1. Throws a StatusError when there is no such directory.
 */
export async function listTree(
  client: BuildletClient,
  dir: string,
  signal: AbortSignal,
  { onUnreadable = () => undefined, onOther }: ListTreeOptions = {},
): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const options = { recursive: true, digest: true, signal, onUnreadable };
  for await (const entry of client.listDir(dir === '.' ? '' : dir, options)) {
    const { type, name } = entry;
    if (name === '' || isReserved(name)) continue;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink') {
      onOther?.(name);
      continue;
    }
    if (entries.length === treeLimits.entries) {
      throw new GomoteError('ERR_REPLY', `${client.name} lists too many entries`);
    }
    entries.push({
      kind: type,
      path: name,
      mode: type === 'symlink' ? 0 : entry.permissions,
      size: entry.size ?? 0,
      mtimeMs: entry.mtime?.getTime() ?? 0,
      digest: entry.digest ?? '',
      // It is not told: a link is always sent again.
      target: '',
    });
  }
  return entries;
}

/** Whether a call failed because this directory is not there, and not because of something in it that has gone meanwhile. */
export const isAbsent = (error: unknown, dir: string): boolean =>
  error instanceof StatusError && error.text.includes(`/${dir}: no such file or directory`);

/** What is kept in a work dir of pushes into it. */
export interface Records {
  readonly records: readonly PushRecord[];
  /** Of this life of the work dir, if a push has given it one. */
  readonly identity: string | undefined;
}

/** The records of all pushes into the work dir. */
export async function readRecords(client: BuildletClient, signal: AbortSignal): Promise<Records> {
  if (!(await hasRecords(client, signal))) return { records: [], identity: undefined };
  const texts = new RecordTexts(client.name);
  const reader = new TarReader(texts);
  const archive = await client.getTar(recordsDirectory, { signal });
  for await (const piece of decompressed(archive)) reader.push(piece);
  reader.finish();
  const records: PushRecord[] = [];
  let identity: string | undefined;
  for (const [name, text] of texts.byName) {
    if (name === identityName && isIdentity(text)) identity = text;
    const record = decodeRecord(text);
    // A request that was damaged on its way may have put one under a name that is not its own.
    if (record !== undefined && recordName(record.dir) === name) records.push(record);
  }
  return { records, identity };
}

/** The files of an archive of records; what else is in it is left out. */
class RecordTexts implements TarSink {
  readonly byName = new Map<string, string>();
  readonly #label: string;
  #name: string | undefined;
  #pieces: Buffer[] = [];
  #sizeBytes = 0;

  constructor(label: string) {
    this.#label = label;
  }

  begin({ name, typeFlag }: TarEntry): void {
    const [own, ...below] = relativeElements(name) ?? [];
    this.#name = typeFlag === '0' && below.length === 0 ? own : undefined;
    this.#count(name.length);
  }

  content(piece: Buffer): void {
    if (this.#name === undefined) return;
    this.#count(piece.length);
    this.#pieces.push(Buffer.from(piece));
  }

  end(): void {
    if (this.#name !== undefined) {
      this.byName.set(this.#name, nameFromBytes(Buffer.concat(this.#pieces)));
    }
    this.#pieces = [];
  }

  #count(bytes: number): void {
    this.#sizeBytes += bytes;
    if (this.#sizeBytes <= treeLimits.listBytes) return;
    throw new GomoteError(
      'ERR_REPLY',
      `${this.#label} has records of more than ${treeLimits.listBytes} bytes`,
    );
  }
}

async function hasRecords(client: BuildletClient, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const _ of client.listDir(recordsDirectory, { signal })) return true;
    return false;
  } catch (error) {
    if (isAbsent(error, recordsDirectory)) return false;
    throw error;
  }
}
