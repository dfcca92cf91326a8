// Copies one file or directory between this machine and a buildlet, or between two buildlets, as a stream.
import { resolve } from 'node:path';
import { isAdHocHost } from '../../backends/ssh/ad-hoc.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { errnoOf, GomoteError, isGomoteError } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { currentDirectory, readEntriesSync, stat } from '../../files/named-fs.ts';
import { compressionFor } from '../../gomote/compression.ts';
import { throwIncompletePull } from '../../gomote/incomplete.ts';
import { openSource, writeWhole } from '../../gomote/local-files.ts';
import { onPath, writingHint } from '../../gomote/remote-path.ts';
import { zstdFeature } from '../../protocol/features.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import type { TransferSummary } from '../../protocol/transfer.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import type { Listed } from './glob.ts';
import { throwSkipped, watched } from './transfer-report.ts';

type Kind = 'file' | 'directory' | 'absent';

export interface CopyEnd {
  readonly text: string;
  readonly path: string;
  /** The buildlet. Absent: this machine. */
  readonly remote?: { readonly name: string; readonly client: BuildletClient } | undefined;
}

export async function kindOf({ path, remote }: CopyEnd, signal: AbortSignal): Promise<Kind> {
  if (remote === undefined) {
    const found = await stat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
      throw localError('read', path, error);
    });
    if (found === undefined) return 'absent';
    return found.isDirectory() ? 'directory' : 'file';
  }
  const { name, client } = remote;
  try {
    return await onPath(name, path, async () => {
      const onUnreadable = () => undefined;
      for await (const entry of client.listDir(path, { signal, onUnreadable })) {
        // For a path that is itself a file, the listing has an entry without a name.
        return entry.name === '' && !entry.isDirectory ? 'file' : 'directory';
      }
      return 'directory';
    });
  } catch (error) {
    if (isGomoteError(error, 'ERR_NO_SUCH_FILE')) return 'absent';
    throw error;
  }
}

export async function listEnd({ path, remote }: CopyEnd, signal: AbortSignal): Promise<Listed[]> {
  if (remote !== undefined) {
    return await onPath(remote.name, path, async () => {
      const found: Listed[] = [];
      for await (const entry of remote.client.listDir(path, { signal })) found.push(entry);
      return found;
    });
  }
  try {
    return readEntriesSync(path === '' ? '.' : path).map((entry) => ({
      name: entry.name,
      // The target of a link is resolved when the file is opened.
      isDirectory: entry.isDirectory() || entry.isSymbolicLink(),
    }));
  } catch {
    return [];
  }
}

/** Returns what was copied. Throws an error that names what was not copied; the rest of a directory has been copied. */
export async function copyOne(
  from: CopyEnd,
  to: CopyEnd,
  passed: Passed,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const kind = await kindOf(from, signal);
  if (kind === 'absent') {
    throw new GomoteError(
      from.remote === undefined ? 'ERR_LOCAL_FILE' : 'ERR_NO_SUCH_FILE',
      `no such file or directory: ${from.text}`,
      { hint: from.remote ? `see gomote ls ${from.remote.name}` : 'check the path' },
    );
  }
  if (kind === 'file') return await copyFile(from, to, passed, signal, context);
  const counted = { files: passed.files ?? 0, bytes: passed.bytes };
  const count = ({ files = 0, bytes = 0 }: Partial<TransferSummary>) => {
    passed.files = counted.files + files;
    passed.bytes = counted.bytes + bytes;
  };
  if (to.remote === undefined) return await bringDirectory(from, to, count, context);
  await sendDirectory(from, to, count, context);
}

async function copyFile(
  from: CopyEnd,
  to: CopyEnd,
  passed: Passed,
  signal: AbortSignal,
  context: Context,
): Promise<void> {
  const { path, remote } = from;
  if (remote === undefined) {
    const source = await openSource(path, context.terminal, 'its content changed meanwhile');
    const mode = source.mode ?? 0o644;
    await source.use((bytes) => writeEnd(to, watched(bytes, passed), { mode }, context));
  } else {
    const file = await onPath(remote.name, path, () => remote.client.files.get(path, { signal }));
    await writeEnd(to, watched(file.body, passed), file, context);
  }
  passed.files = (passed.files ?? 0) + 1;
}

async function writeEnd(
  { path, remote }: CopyEnd,
  body: AsyncIterable<Uint8Array>,
  { mode, mtimeMs }: { mode: number; mtimeMs?: number },
  { signal }: Context,
): Promise<void> {
  if (remote === undefined) {
    return await writeWhole(path, body, mtimeMs === undefined ? undefined : { mode, mtimeMs });
  }
  const { name, client } = remote;
  const compress = () => compressionFor(client, 'auto', signal);
  const put = () => client.files.put(body, path, { mode, mtimeMs, compress, signal });
  await onPath(name, path, put, writingHint);
}

type Count = (counts: Partial<TransferSummary>) => void;

async function bringDirectory(
  { path, remote }: CopyEnd,
  to: CopyEnd,
  count: Count,
  { signal, messages }: Context,
): Promise<void> {
  if (remote === undefined) return;
  const { pull } = await import('../../sync/pull/pull.ts');
  const dir = normalizeRelativePath(path) || '.';
  let bytes = 0;
  const summary = await onPath(remote.name, path, () =>
    pull(remote.client, resolve(currentDirectory(), to.path), {
      ...{ dir, signal, force: true, noIgnore: true, environment: {} },
      onCome: (more) => {
        bytes += more;
        count({ bytes });
      },
    }),
  );
  count(summary);
  throwIncompletePull(summary, {});
  const [other] = summary.others;
  if (other === undefined) return;
  for (const one of summary.others) messages.say(`not copied, as it is not a file: ${one}`);
  throw new GomoteError(
    'ERR_LOST',
    `not all of ${remote.name}:${path} could be copied; the rest is here`,
  );
}

async function sendDirectory(
  { path, remote }: CopyEnd,
  to: CopyEnd,
  count: Count,
  context: Context,
): Promise<void> {
  const { signal } = context;
  if (to.remote === undefined) return;
  const { name, client } = to.remote;
  if (remote !== undefined) {
    const isZstd =
      (await remote.client.has(zstdFeature, { signal })) &&
      (await client.has(zstdFeature, { signal }));
    const download = await onPath(remote.name, path, () =>
      remote.client.download(path, { compress: isZstd ? 'zstd' : 'gzip', isPartial: true, signal }),
    );
    const { compression: compress } = download;
    await onPath(name, to.path, () => client.putTar(download.body, to.path, { compress, signal }));
    const summary = download.summary();
    count(summary);
    return throwSkipped(summary.skipped, context);
  }
  const { packTar } = await import('../../tar/pack.ts');
  const { SkippedList } = await import('../../tar/skipped-list.ts');
  const compress = await compressionFor(client, 'auto', signal);
  const skipped = new SkippedList();
  const totals = { files: 0, bytes: 0 };
  const packed = packTar(path, '.', { compress, totals, signal, onSkipped: skipped.add });
  const sent = await onPath(name, to.path, () =>
    client.putTar(packed, to.path, { compress, signal }),
  );
  count(totals);
  for (const warning of sent.warnings ?? []) context.messages.say(`warning: ${warning}`);
  throwSkipped(skipped, context);
}

export interface CopyPlace {
  readonly text: string;
  /** The buildlet. Absent: this machine. */
  readonly buildlet: string | undefined;
  /** The path; on a buildlet relative to the work directory. */
  readonly path: string;
}

/** `NAME:PATH` and `BACKEND/NAME:PATH`. A single letter is a Windows drive, and text that begins with a dot is a path. */
const named = /^((?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]+):(.*)$/s;
/** `TYPE@HOST[:PORT]:PATH`. */
const direct = /^([^:/\\]*@(?:\[[^\]]*\]|[^:/\\]+)(?::[0-9]+(?=:))?):(.*)$/s;
/** `ssh:HOST/NAME:PATH`; the host may include a port. */
const onHost = /^(ssh:(?:\/\/)?[^/]+\/[\w.-]+):(.*)$/s;

export function parseCopyPlace(text: string): CopyPlace {
  const [, buildlet, path = text] =
    (isAdHocHost(text) ? onHost.exec(text) : (named.exec(text) ?? direct.exec(text))) ?? [];
  return { text, buildlet, path };
}
