// GET /ls: one line an entry, depth-first, each directory sorted by name as bytes.
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, read, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { errnoOf, GomoteError, isErrno } from '../../errors.ts';
import { lstatSync, openSync, readdirSync } from '../../files/named-fs.ts';
import { readFlags } from '../../files/open-flags.ts';
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
import { compareBytes } from '../../protocol/relative-path.ts';
import type { DigestCache } from '../../tree/digest-cache.ts';
import { dirOf } from './request.ts';

interface Listing {
  readonly recursive: boolean;
  /** Undefined: no digests are asked for. */
  readonly digests: DigestCache | undefined;
  /** Directories left out, relative to the listed one. */
  readonly skip: ReadonlySet<string>;
  /** Whether names are escaped, so that a line can carry any. */
  readonly isEscaped: boolean;
}

interface Found {
  readonly name: string;
  readonly stats: Stats;
}

/** Called with entries that cannot be read, and why. The rest is listed. */
type OnUnread = (name: string, error: unknown) => void;

interface Troubles {
  readonly onUnread: OnUnread;
  /** Called with a name that cannot be listed. Neither it nor entries below it are listed. */
  readonly onUnlisted: (name: string) => void;
}

/** Lines are sent in pieces of about this many characters. */
const pieceLength = 32 << 10;
/** How long the event loop may be blocked, in ms. */
const turnMs = 5;

export function list(workDir: string, digests: DigestCache, features: readonly string[]): Handler {
  const anyName = features.includes(namesFeature);
  return async ({ response, query }) => {
    const dir = dirOf(query);
    const listing: Listing = {
      recursive: parseBool(query.get('recursive')),
      digests: parseBool(query.get('digest')) ? digests : undefined,
      skip: new Set(query.getAll('skip')),
      isEscaped: anyName && query.get(listedNames.parameter) === listedNames.escaped,
    };
    if (listing.isEscaped) response.setHeader(listedNames.header, listedNames.escaped);
    const isEnded = query.get(listingEnd.parameter) === listingEnd.wanted;
    if (isEnded) response.setHeader(listingEnd.header, listingEnd.wanted);
    const found = withWalkErrors(join(workDir, dir), () => reachTree(workDir, dir));
    try {
      await sendStream(response, pieces(found, listing, isEnded), contentTypes.text);
    } finally {
      found.tree.close();
    }
  };
}

async function* pieces(
  { tree, single }: Reached,
  listing: Listing,
  isEnded: boolean,
): AsyncGenerator<Buffer> {
  const { digests } = listing;
  let piece = '';
  let turnEndsMs = performance.now() + turnMs;
  let last = '';
  const onUnread: OnUnread = (name, error) => {
    const reason = errnoText(errnoOf(error) ?? 'EIO');
    if (listing.isEscaped) piece += formatUnreadLine(name, reason);
    // A Go buildlet ends a listing like this.
    else last ||= `${formatWalkError(tree.shown(name), reason)}\n`;
  };
  // Clients treat any other line as the name of something that is not listed.
  const onUnlisted = (name: string) => {
    piece += `${quoted(name)}\n`;
  };
  const troubles = { onUnread, onUnlisted };
  const entries = single === undefined ? below(tree, listing, '', troubles) : [single];
  for (const found of entries) {
    const { name, stats } = found;
    const { mode, size, mtimeMs } = stats;
    let sha1: string | undefined;
    if (digests !== undefined && stats.isFile()) {
      const known = digests.lookup(`sha1 ${tree.shown(name)}`, stats);
      const read = known ?? (await digestOf(tree, found, digests, onUnread));
      if (read === 'gone') continue;
      sha1 = read;
    }
    const path = single === undefined ? name : '';
    const listed = listing.isEscaped ? escapeListName(path) : path;
    piece += formatListLine({ mode, name: listed, sizeBytes: size, mtimeMs, sha1 });
    if (performance.now() > turnEndsMs) {
      await setImmediate();
      turnEndsMs = performance.now() + turnMs;
    }
    if (piece.length < pieceLength) continue;
    yield bytesOfName(piece);
    piece = '';
  }
  if (isEnded) last += `${listingEnd.line}\n`;
  if (piece + last !== '') yield bytesOfName(piece + last);
}

/** Synchronous: an asynchronous call for each file costs several times as much. */
function* below(
  tree: OpenTree,
  listing: Listing,
  prefix: string,
  { onUnread, onUnlisted }: Troubles,
): Generator<Found> {
  const tried = <T>(path: string, use: () => T): T | undefined => {
    try {
      return use();
    } catch (error) {
      // The requested directory itself is listed.
      if (path === '') throw walkError(tree.shown(path), error);
      // An entry that was removed meanwhile is not listed.
      if (!isGone(error)) onUnread(path, error);
      return undefined;
    }
  };
  const directory = prefix.slice(0, -1);
  const names = tried(directory, () => readdirSync(tree.directory(directory).self)) ?? [];
  for (const base of names.sort(compareBytes)) {
    const name = prefix + base;
    if (name === stateDirectory) continue;
    const stats = tried(name, () => lstatSync(tree.at(name), { throwIfNoEntry: false }));
    if (stats === undefined) continue;
    if (!(listing.isEscaped || canListName(base))) {
      onUnlisted(name);
      continue;
    }
    if (stats.isDirectory() && listing.skip.has(name)) continue;
    yield { name, stats };
    if (stats.isDirectory() && listing.recursive) {
      yield* below(tree, listing, `${name}/`, { onUnread, onUnlisted });
    }
  }
}

/** The file's digest; undefined when it cannot be read. */
async function digestOf(
  tree: OpenTree,
  { name, stats }: Found,
  cache: DigestCache,
  onUnread: OnUnread,
): Promise<string | 'gone' | undefined> {
  try {
    const key = `sha1 ${tree.shown(name)}`;
    return await fileDigest(tree.at(name), key, stats, cache);
  } catch (error) {
    if (isGone(error)) return 'gone';
    onUnread(name, error);
    return undefined;
  }
}

/** Whether there is something else, or nothing, at the path. */
const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP');

function withWalkErrors<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    throw walkError(path, error);
  }
}

function walkError(path: string, error: unknown): GomoteError {
  const reason = errnoText(errnoOf(error) ?? 'EIO');
  return new GomoteError('ERR_LOCAL_FILE', formatWalkError(path, reason), { cause: error });
}

const readInThread = promisify(read);

/** A file up to this size is read in one call, which is the fastest way. */
const smallBytes = 256 << 10;
const buffer = Buffer.allocUnsafe(smallBytes);

/** Reads the file and keeps its SHA-1, lower-case hex, under `key`, unless it changed since it had the state `before`. */
async function fileDigest(
  path: string,
  key: string,
  before: Stats,
  cache: DigestCache,
): Promise<string> {
  const startedMs = Date.now();
  const fd = openSync(path, readFlags);
  try {
    const got = readSync(fd, buffer, 0, smallBytes, 0);
    const first = buffer.subarray(0, got);
    const isWhole = got === before.size && got < smallBytes;
    const digest = isWhole ? hash('sha1', first) : await restDigest(fd, first);
    const { size, mtimeMs, ctimeMs, ino } = fstatSync(fd);
    const isUnchanged =
      size === before.size &&
      mtimeMs === before.mtimeMs &&
      ctimeMs === before.ctimeMs &&
      ino === before.ino;
    if (isUnchanged) cache.remember(key, before, digest, startedMs);
    return digest;
  } finally {
    closeSync(fd);
  }
}

/** The digest of a file that begins with these bytes. */
async function restDigest(fd: number, first: Buffer): Promise<string> {
  const sum = createHash('sha1').update(first);
  const piece = Buffer.allocUnsafe(1 << 20);
  for (let at = first.length, got = -1; got !== 0; at += got) {
    got = (await readInThread(fd, piece, 0, piece.length, at)).bytesRead;
    sum.update(piece.subarray(0, got));
  }
  return sum.digest('hex');
}
