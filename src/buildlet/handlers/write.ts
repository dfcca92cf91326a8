// PUT /write and PUT /file: one file, under its final name only when it is whole.
import { fchmodSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError } from '../../errors.ts';
import { setFileTime } from '../../files/exact-time.ts';
import { fullFileSystem } from '../../files/mount-point.ts';
import { rename, rm, stat } from '../../files/named-fs.ts';
import { type Place, reach } from '../../files/reach.ts';
import { partialName } from '../../files/reserved-names.ts';
import { writeNew } from '../../files/write-whole.ts';
import { flowing } from '../../http/relay/flowing.ts';
import type { LateTrailers } from '../../http/server/late-trailers.ts';
import { sendText } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { quoted } from '../../printable.ts';
import { fileFeature } from '../../protocol/features.ts';
import { parseWriteMode } from '../../protocol/file-mode.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { formatTotals, totalsHeader } from '../../protocol/transfer.ts';
import { decompressed } from '../../tar/decompress.ts';
import { countBytes, TransferCounter } from '../../tar/transfer-counter.ts';
import { getFile } from './get-file.ts';
import { headerOf } from './request.ts';

/** How much data is buffered and written at once while the disk is busy, in bytes. */
const gatheredBytes = 1 << 20;

/** PUT /write: the body is the content. A client that knows its totals sends them first, and gets them back. */
export function write(workDir: string, features: readonly string[]): Handler {
  return async ({ request, response, query, signal }) => {
    const expected = headerOf(request, totalsHeader);
    if (expected === undefined || !features.includes(fileFeature)) {
      await store(flowing(request), { workDir, query, signal });
    } else {
      const counter = new TransferCounter();
      const body = countBytes(flowing(request), counter);
      const counted = (bytes: number) => formatTotals(counter.totals({ files: 1, bytes }));
      const prove = (bytes: number) => {
        if (counted(bytes) === expected) return;
        throw new GomoteError('ERR_LOST', `what came is not what was sent: ${counted(bytes)}`);
      };
      const bytes = await store(body, { workDir, query, signal, prove });
      response.setHeader(totalsHeader, counted(bytes));
    }
    sendText(response, 'OK');
  };
}

/** /file: one file, either way. */
export function file(workDir: string, late: LateTrailers): Handler {
  const get = getFile(workDir, late);
  const put = putFile(workDir);
  return (exchange) => (exchange.request.method === 'PUT' ? put(exchange) : get(exchange));
}

/** PUT /file: the body is the content in gzip or zstd, with its checksums; `mtime`, in ms, is the file's time. */
function putFile(workDir: string): Handler {
  return async ({ request, response, query, signal }) => {
    const counter = new TransferCounter();
    const body = countBytes(flowing(request), counter);
    const bytes = await store(decompressed(body), { workDir, query, signal });
    response.setHeader(totalsHeader, formatTotals(counter.totals({ files: 1, bytes })));
    sendText(response, 'OK');
  };
}

interface Target {
  readonly workDir: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
  /** Throws when the file is incomplete, before it gets its final name. */
  readonly prove?: (bytes: number) => void;
}

/** The mode of parent directories that are created; the umask applies. */
const directoryMode = 0o777;

/** Writes the file under a temporary name, and renames it when it is complete. Resolves with its size. */
async function store(source: AsyncIterable<Buffer>, target: Target): Promise<number> {
  const { workDir, query, signal, prove } = target;
  const path = normalizeRelativePath(query.get('path') ?? '');
  if (path === undefined || path === '.') throw new GomoteError('ERR_PATH', 'bad path');
  const mode = parseWriteMode(query.get('mode') ?? '');
  const mtimeMs = Number(query.get('mtime') ?? 'NaN');
  if (mode === undefined) throw new GomoteError('ERR_REQUEST', 'bad mode');
  let place: Place | undefined;
  try {
    place = reach(workDir, path, { make: { mode: directoryMode } });
    const name = query.get('into') ?? '';
    if (name !== '' && (await isDirectory(place))) {
      place.close();
      place = reach(workDir, `${path}/${elementOf(name)}`);
    }
    if (await isDirectory(place)) {
      throw new GomoteError('ERR_LOCAL_FILE', `open ${place.path}: ${errnoText('EISDIR')}`);
    }
    const partial = place.directory.at(partialName());
    const sizeBytes = await writeNew(partial, source, {
      mode: 0o600,
      highWaterMark: gatheredBytes,
      signal,
      onWhole: (fd, bytes) => {
        prove?.(bytes);
        fchmodSync(fd, mode);
        if (!Number.isNaN(mtimeMs)) setFileTime(fd, mtimeMs);
      },
    });
    await rename(partial, place.at).catch(async (error: unknown) => {
      await rm(partial, { force: true });
      throw error;
    });
    return sizeBytes;
  } catch (error) {
    throw describe(error, place?.path ?? join(workDir, path), workDir);
  } finally {
    place?.close();
  }
}

const isDirectory = async ({ at }: Place): Promise<boolean> =>
  (await stat(at).catch(() => undefined))?.isDirectory() === true;

function elementOf(name: string): string {
  if (!/^\.{0,2}$|\//.test(name)) return name;
  throw new GomoteError('ERR_REQUEST', `bad 'into' parameter: ${quoted(name)}`);
}

/** Words a system error as Go does: the operation, the path, the reason. */
function describe(error: unknown, target: string, workDir: string): unknown {
  const code = errnoOf(error);
  if (error instanceof GomoteError || code === undefined) return error;
  if (code === 'ECONNRESET' || code === 'ABORT_ERR' || code.startsWith('Z')) {
    return new GomoteError('ERR_LOST', `the upload of ${target} was cut or damaged`, {
      cause: error,
    });
  }
  const reason = `${errnoText(code)}${fullFileSystem(code, workDir)}`;
  return new GomoteError('ERR_LOCAL_FILE', `open ${target}: ${reason}`, { cause: error });
}
