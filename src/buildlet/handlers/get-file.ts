// GET /file: the content of one file from any byte on, followed by the digest of all of it.
import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { errnoOf, GomoteError } from '../../errors.ts';
import { open } from '../../files/named-fs.ts';
import { readFlags } from '../../files/open-flags.ts';
import { reach } from '../../files/reach.ts';
import type { LateTrailers } from '../../http/server/late-trailers.ts';
import { sendStream } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { type FileInfo, fileInfoHeader, formatFileInfo } from '../../protocol/file-info.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { formatTotals, totalsHeader } from '../../protocol/transfer.ts';
import { TransferCounter } from '../../tar/transfer-counter.ts';

const pieceBytes = 256 << 10;
export function getFile(workDir: string, late: LateTrailers): Handler {
  return async ({ response, query, signal }) => {
    const path = normalizeRelativePath(query.get('path') ?? '');
    if (path === undefined) throw new GomoteError('ERR_PATH', 'bad path');
    const { handle, target } = await openBelow(workDir, path);
    try {
      const info = await infoOf(handle, target);
      const start = startOf(query, info, path);
      response.setHeader(fileInfoHeader, formatFileInfo(info));
      const counter = new TransferCounter();
      const value = () => formatTotals(counter.totals({ files: 1, bytes: info.sizeBytes }));
      const announce = (reply: ServerResponse) => late.announce(reply, totalsHeader);
      const content = contentFrom(handle, path, info, { start, counter, signal });
      await sendStream(response, content, contentTypes.binary, { announce, value });
    } finally {
      await handle.close();
    }
  };
}

async function openBelow(
  workDir: string,
  path: string,
): Promise<{ handle: FileHandle; target: string }> {
  let target = join(workDir, path);
  try {
    const place = reach(workDir, path, { follow: true });
    target = place.path;
    const handle = await open(place.at, readFlags).finally(() => place.close());
    return { handle, target };
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    throw fileError(target, errnoOf(error) ?? 'EIO', error);
  }
}

async function infoOf(handle: FileHandle, target: string): Promise<FileInfo> {
  const stats = await handle.stat();
  if (stats.isDirectory()) throw fileError(target, 'EISDIR');
  if (!stats.isFile()) {
    throw new GomoteError('ERR_LOCAL_FILE', `open ${target}: not a regular file`);
  }
  const { mode, size, mtimeMs, ctimeMs, ino } = stats;
  const version = `${ino}-${size}-${mtimeMs}-${ctimeMs}`;
  return { mode: mode & 0o777, sizeBytes: size, mtimeMs, version };
}

function startOf(query: URLSearchParams, info: FileInfo, path: string): number {
  const text = query.get('start') ?? '0';
  const start = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(start <= info.sizeBytes)) throw new GomoteError('ERR_REQUEST', `bad start ${text}`);
  const version = query.get('version');
  if (version !== null && version !== info.version) throw changed(path);
  return start;
}

/** Hashes the whole file and yields it from `start`. Fails when the file changes meanwhile. */
async function* contentFrom(
  handle: FileHandle,
  path: string,
  info: FileInfo,
  options: { start: number; counter: TransferCounter; signal: AbortSignal },
): AsyncGenerator<Buffer> {
  const { start, counter, signal } = options;
  let position = 0;
  while (position < info.sizeBytes) {
    signal.throwIfAborted();
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, info.sizeBytes - position));
    const { bytesRead } = await handle.read(piece, 0, piece.length, position);
    if (bytesRead === 0) throw changed(path);
    counter.update(piece.subarray(0, bytesRead));
    const skipped = Math.max(start - position, 0);
    position += bytesRead;
    if (skipped < bytesRead) yield piece.subarray(skipped, bytesRead);
  }
  if ((await infoOf(handle, path)).version !== info.version) throw changed(path);
}

const changed = (path: string): GomoteError =>
  new GomoteError('ERR_LOST', `${path} changed while it was read`);

const fileError = (target: string, code: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_LOCAL_FILE', `open ${target}: ${errnoText(code)}`, { cause });
