// GET /ls: one line an entry, depth-first, each directory sorted by name as bytes.
import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { resolveInside } from '../../archive/confine.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { sendStream } from '../../http/reply.ts';
import type { Handler } from '../../http/server.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { parseBool } from '../../protocol/form.ts';
import { canListName, formatListLine } from '../../protocol/listing.ts';
import { errnoText } from '../../protocol/process-state.ts';
import { compareBytes, normalizeRelativePath } from '../../protocol/relative-path.ts';

interface Listing {
  /** Absolute path of the listed directory. */
  readonly top: string;
  readonly recursive: boolean;
  readonly digest: boolean;
  /** Directories left out, relative to the listed one. */
  readonly skip: ReadonlySet<string>;
}

/** Lines are sent in pieces of about this many characters. */
const pieceLength = 32 << 10;

export function list(workDir: string): Handler {
  return async ({ response, query }) => {
    const dir = normalizeRelativePath(query.get('dir') ?? '');
    if (dir === undefined) throw new GomoteError('ERR_PATH', 'bogus dir');
    const listing: Listing = {
      top: await resolveInside(workDir, dir, { follow: true }),
      recursive: parseBool(query.get('recursive')),
      digest: parseBool(query.get('digest')),
      skip: new Set(query.getAll('skip')),
    };
    await sendStream(response, pieces(listing), contentTypes.text);
  };
}

async function* pieces(listing: Listing): AsyncGenerator<string> {
  let piece = '';
  for await (const line of lines(listing)) {
    piece += line;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

async function* lines(listing: Listing): AsyncGenerator<string> {
  const stats = await lstat(listing.top).catch((error: unknown) => {
    throw walkError(listing.top, error);
  });
  if (stats.isDirectory()) yield* below(listing, '');
  else yield await line(listing, '', stats);
}

async function* below(listing: Listing, prefix: string): AsyncGenerator<string> {
  const directory = join(listing.top, prefix);
  const names = await readdir(directory).catch((error: unknown) => {
    throw walkError(directory, error);
  });
  for (const name of names.sort(compareBytes)) {
    const path = prefix + name;
    const stats = await lstat(join(listing.top, path)).catch(() => undefined);
    // Gone since its name was read: as if the listing had begun a moment later.
    if (stats === undefined) continue;
    if (!canListName(name)) {
      throw new GomoteError('ERR_PATH', `a listing cannot carry the name ${JSON.stringify(path)}`);
    }
    if (stats.isDirectory() && listing.skip.has(path)) continue;
    yield await line(listing, path, stats);
    if (stats.isDirectory() && listing.recursive) yield* below(listing, `${path}/`);
  }
}

async function line(listing: Listing, name: string, stats: Stats): Promise<string> {
  const sha1 =
    listing.digest && stats.isFile() ? await digestOf(join(listing.top, name)) : undefined;
  return formatListLine({
    mode: stats.mode,
    name,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    sha1,
  });
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha1');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    throw walkError(path, error);
  }
  return hash.digest('hex');
}

function walkError(path: string, error: unknown): GomoteError {
  const reason = errnoText(errnoOf(error) ?? 'EIO');
  return new GomoteError('ERR_LOCAL_FILE', `Walk error: lstat ${path}: ${reason}`, {
    cause: error,
  });
}
