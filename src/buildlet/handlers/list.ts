// GET /ls: one line an entry, depth-first, each directory sorted by name as bytes.
import { join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { type NamedEntry, sortedEntries } from '../../files/named-fs.ts';
import type { OpenTree } from '../../files/open-tree.ts';
import { type Reached, reachTree } from '../../files/reach.ts';
import { stateDirectory } from '../../files/reserved-names.ts';
import { sendStream } from '../../http/server/reply.ts';
import type { Handler } from '../../http/server/server.ts';
import { quoted } from '../../printable.ts';
import { contentTypes } from '../../protocol/endpoints.ts';
import { namesFeature } from '../../protocol/features.ts';
import { parseBool } from '../../protocol/form.ts';
import {
  canListName,
  escapeListName,
  formatListLine,
  formatUnreadLine,
  formatWalkError,
  listedNames,
  listingEnd,
} from '../../protocol/listing.ts';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import { errnoText } from '../../protocol/process-state.ts';
import type { DigestCache } from '../../tree/digest-cache.ts';
import { codeOf, isGone, type Wanted } from '../listing/examine.ts';
import { examineAll, type ListingThread } from '../listing/examine-all.ts';
import { KnownDigests } from '../listing/known-digests.ts';
import { dirOf } from './request.ts';

interface Listing {
  readonly recursive: boolean;
  /** Directories left out, relative to the listed one. */
  readonly skip: ReadonlySet<string>;
  /** Whether names are escaped, so that a line can carry any. */
  readonly isEscaped: boolean;
  /** Whether a line says that the listing is complete. */
  readonly isEnded: boolean;
}

interface Entry extends Wanted {
  /** The error code of a directory that cannot be read. */
  readonly unread?: string;
}

/** Lines are sent in pieces of about this many characters. */
const pieceLength = 32 << 10;

export function list(
  workDir: string,
  digests: DigestCache,
  thread: ListingThread,
  features: readonly string[],
): Handler {
  const anyName = features.includes(namesFeature);
  return async ({ response, query }) => {
    const dir = dirOf(query);
    const listing: Listing = {
      recursive: parseBool(query.get('recursive')),
      skip: new Set(query.getAll('skip')),
      isEscaped: anyName && query.get(listedNames.parameter) === listedNames.escaped,
      isEnded: query.get(listingEnd.parameter) === listingEnd.wanted,
    };
    const { isEscaped, isEnded } = listing;
    if (isEscaped) response.setHeader(listedNames.header, listedNames.escaped);
    if (isEnded) response.setHeader(listingEnd.header, listingEnd.wanted);
    const found = withWalkErrors(join(workDir, dir), () => reachTree(workDir, dir));
    const { tree } = found;
    const known = parseBool(query.get('digest')) ? new KnownDigests(digests, tree) : undefined;
    try {
      const chunks = pieces(found, listing, known, thread);
      await sendStream(response, chunks, contentTypes.text);
    } finally {
      tree.close();
    }
  };
}

async function* pieces(
  { tree, single }: Reached,
  listing: Listing,
  digests: KnownDigests | undefined,
  thread: ListingThread,
): AsyncGenerator<Buffer> {
  let piece = '';
  let last = '';
  const unread = (name: string, code: string) => {
    const reason = errnoText(code);
    if (listing.isEscaped) piece += formatUnreadLine(name, reason);
    // A Go buildlet ends a listing like this.
    else last ||= `${formatWalkError(tree.shown(name), reason)}\n`;
  };
  const reads = (name: string, isFile: boolean) => isFile && digests?.mustRead(name) === true;
  const entries =
    single === undefined
      ? below(tree, listing, '', reads)
      : [{ name: single.name, reads: reads(single.name, single.stats.isFile()) }];
  for await (const batch of examineAll<Entry>(tree, entries, thread)) {
    for (const [entry, examined] of batch) {
      const { name } = entry;
      const seen =
        digests === undefined
          ? examined
          : (digests.complete(entry, examined) ?? (await digests.read(entry)));
      if (seen === 'gone') continue;
      const code = entry.unread ?? seen.unread;
      if (code !== undefined) unread(name, code);
      if (entry.unread !== undefined || !('mode' in seen)) continue;
      const path = single === undefined ? name : '';
      if (!(listing.isEscaped || canListName(path))) {
        // Clients treat any other line as the name of something that is not listed.
        piece += `${quoted(name)}\n`;
        continue;
      }
      const listed = listing.isEscaped ? escapeListName(path) : path;
      const { mode, size, mtimeMs, sha1 } = seen;
      piece += formatListLine({ mode, name: listed, sizeBytes: size, mtimeMs, sha1 });
      if (piece.length < pieceLength) continue;
      yield bytesOfName(piece);
      piece = '';
    }
  }
  if (listing.isEnded) last += `${listingEnd.line}\n`;
  if (piece + last !== '') yield bytesOfName(piece + last);
}

/** What is in a directory of the tree, and below it if that is asked for. */
function* below(
  tree: OpenTree,
  listing: Listing,
  prefix: string,
  reads: (name: string, isFile: boolean) => boolean,
): Generator<Entry> {
  const directory = prefix.slice(0, -1);
  let entries: readonly NamedEntry[] = [];
  try {
    entries = sortedEntries(tree.directory(directory).self);
  } catch (error) {
    // The requested directory itself is listed.
    if (directory === '') throw walkError(tree.shown(''), error);
    // An entry that was removed meanwhile is not listed.
    if (!isGone(error)) yield { name: directory, reads: false, unread: codeOf(error) };
  }
  for (const entry of entries) {
    const name = prefix + entry.name;
    if (name === stateDirectory) continue;
    const isDirectory = entry.isDirectory();
    if (isDirectory && listing.skip.has(name)) continue;
    yield { name, reads: reads(name, entry.isFile()) };
    const isListed = listing.isEscaped || canListName(entry.name);
    if (isDirectory && isListed && listing.recursive) {
      yield* below(tree, listing, `${name}/`, reads);
    }
  }
}

function withWalkErrors<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    throw walkError(path, error);
  }
}

function walkError(path: string, error: unknown): GomoteError {
  const reason = errnoText(codeOf(error));
  return new GomoteError('ERR_LOCAL_FILE', formatWalkError(path, reason), { cause: error });
}
