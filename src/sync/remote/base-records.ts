// The records of pushes into a work directory without tree support, in the format of the extension.
import { randomBytes } from 'node:crypto';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import {
  decodeRecord,
  encodeRecord,
  identityName,
  isIdentity,
  type PushRecord,
  recordName,
  recordsDirectory,
} from '../../protocol/push-record.ts';
import { comparePaths, type TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { relativeElements } from '../../tar/entry-name.ts';
import type { TarEntry, TarSink } from '../../tar/tar-reader.ts';
import { isAbsent, readArchive } from './base-reading.ts';

/** The records of pushes in a work directory. */
export interface Records {
  readonly records: readonly PushRecord[];
  /** The identity of the work directory, if a push has written one. */
  readonly identity: string | undefined;
}

/** The records of all pushes into the work directory. */
export async function readRecords(client: BuildletClient, signal: AbortSignal): Promise<Records> {
  if (!(await hasRecords(client, signal))) return { records: [], identity: undefined };
  const texts = new RecordTexts(client.name);
  await readArchive(await client.getTar(recordsDirectory, { signal }), texts);
  const records: PushRecord[] = [];
  let identity: string | undefined;
  for (const [name, text] of texts.byName) {
    if (name === identityName && isIdentity(text)) identity = text;
    const record = decodeRecord(text);
    // A damaged request may have stored one under a wrong name.
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

/** Writes an identity for the work directory. */
export async function writeIdentity(client: BuildletClient, signal: AbortSignal): Promise<string> {
  const identity = randomBytes(16).toString('hex');
  await client.put(identity, `${recordsDirectory}/${identityName}`, 0o600, { signal });
  return identity;
}

/** Records what was sent to the directory; of two entries of a path, the last one counts. */
export async function saveRecord(
  client: BuildletClient,
  dir: string,
  entries: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<void> {
  const unique = new Map(entries.map((entry) => [entry.path, entry]));
  const sorted = [...unique.values()].sort((a, b) => comparePaths(a.path, b.path));
  const text = bytesOfName(encodeRecord({ dir, entries: sorted }));
  await client.put(text, `${recordsDirectory}/${recordName(dir)}`, 0o600, { signal });
}
