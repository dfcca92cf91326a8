// The endpoints of pushed and pulled trees.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { flowing } from '../../http/relay/flowing.ts';
import { readForm, sendEmpty, sendStream, sendText } from '../../http/server/reply.ts';
import type { Exchange, Handler, Route } from '../../http/server/server.ts';
import { contentTypes, endpoints } from '../../protocol/endpoints.ts';
import { namesFeature, storeFeature, zstdFeature } from '../../protocol/features.ts';
import { parseBool } from '../../protocol/form.ts';
import { identityHeader } from '../../protocol/push-record.ts';
import { parseStoreAt, storeAtHeader, storeHeader } from '../../protocol/stored.ts';
import { type Compression, compressHeader, parseCompression } from '../../protocol/transfer.ts';
import { formatUnread, unreadHeader } from '../../protocol/unread.ts';
import { packPieces, unpackPieces } from '../../tar/pack-pieces.ts';
import { askedHead, headPieces } from '../../tree/stored-request.ts';
import { StoppableSource } from '../../worker/stoppable-source.ts';
import type { Activity } from '../activity.ts';
import { dirOf, headerOf } from '../handlers/request.ts';
import type { Ahead } from './ahead.ts';
import { ApplyReply } from './apply-reply.ts';
import type { WorkDirIdentity } from './identity.ts';
import type { StoreJob, TreeJob, TreeThread } from './jobs.ts';

export function treeRoutes(
  thread: TreeThread,
  identity: WorkDirIdentity,
  features: readonly string[],
  activity: Activity,
  ahead: Ahead,
): Route[] {
  const routes: Route[] = [
    { endpoint: endpoints.treeState, handle: state(thread, features, activity) },
    { endpoint: endpoints.treeManifest, handle: stored(thread, features, manifestJob) },
    { endpoint: endpoints.treeDifferences, handle: stored(thread, features, differencesJob) },
    { endpoint: endpoints.treeChunks, handle: stored(thread, features, chunksJob) },
    { endpoint: endpoints.treeApply, handle: apply(thread, identity, activity) },
    { endpoint: endpoints.treeRead, handle: read(thread, features) },
    { endpoint: endpoints.treeStored, handle: ask(thread) },
    { endpoint: endpoints.treeReach, handle: reach(thread) },
    { endpoint: endpoints.treePrepare, handle: prepare(ahead) },
  ];
  return routes.map(({ endpoint, handle }) => ({
    endpoint,
    handle: (exchange) => {
      exchange.response.setHeader(identityHeader, identity.id);
      return handle(exchange);
    },
  }));
}

const manifestJob = ({ query }: Exchange): TreeJob => ({
  kind: 'manifest',
  dir: dirOf(query),
  all: parseBool(query.get('all')),
  isPull: parseBool(query.get('pull')),
  isPrepared: parseBool(query.get('prepared')),
});
const differencesJob = ({ query }: Exchange): TreeJob => ({
  kind: 'differences',
  dir: query.has('dir') ? dirOf(query) : '',
});
const chunksJob = ({ query }: Exchange): TreeJob => ({
  kind: 'chunks',
  dir: dirOf(query),
  path: query.get('path') ?? '',
});

function state(thread: TreeThread, features: readonly string[], activity: Activity): Handler {
  const zstd = features.includes(zstdFeature);
  const anyName = features.includes(namesFeature);
  return async ({ response, query }) => {
    const all = parseBool(query.get('all'));
    const { ranAtMs } = activity;
    const job: TreeJob = { kind: 'state', dir: dirOf(query), all, ranAtMs };
    const { hasStore, ...answer } = await thread.run<{ hasStore: boolean }>(job);
    if (hasStore) response.setHeader(storeHeader, '1');
    const announced = { zstd, named: true, anyName, stored: features.includes(storeFeature) };
    sendText(response, JSON.stringify({ ...answer, ...announced }), contentTypes.json);
  };
}

interface StoredAnswer {
  readonly bytes: Uint8Array;
  /** By path: why it could not be read. */
  readonly unread?: ReadonlyMap<string, string>;
}

/** Replies with the job's single result. */
function stored(
  thread: TreeThread,
  features: readonly string[],
  jobOf: (exchange: Exchange) => TreeJob,
): Handler {
  return async (exchange) => {
    const { bytes, unread } = (await thread.run(jobOf(exchange))) as StoredAnswer;
    if (unread !== undefined && unread.size > 0) {
      exchange.response.setHeader(unreadHeader, formatUnread(unread));
    }
    await sendPieces(exchange, features, slices(bytes));
  };
}

function apply(thread: TreeThread, identity: WorkDirIdentity, activity: Activity): Handler {
  return async ({ request, response, query, signal }) => {
    identity.keep();
    const compression = parseCompression(headerOf(request, compressHeader)) ?? 'none';
    const whole = new StoppableSource(flowing(request));
    const source =
      compression === 'none' ? whole : new StoppableSource(decompressed(whole, compression));
    const left = () => source.stop(new GomoteError('ERR_LOST', 'the client left'));
    signal.addEventListener('abort', left);
    const reply = new ApplyReply(response);
    const onEvent = (digests: string) => reply.tell(digests);
    const dir = dirOf(query);
    const beganAtMs = Date.now();
    try {
      const generation = query.get('generation') ?? '';
      const { ranAtMs } = activity;
      const givesUpEntries = parseBool(query.get('giveup'));
      const replacesDirectories = parseBool(query.get('replace'));
      const change = { generation, ranAtMs, givesUpEntries, replacesDirectories };
      const storeAt = parseStoreAt(headerOf(request, storeAtHeader));
      const prepared = query.get('prepared') ?? undefined;
      const job: TreeJob = { kind: 'apply', dir, storeAt, prepared, ...change };
      const applied = await thread.run(job, { source, signal, onEvent }).finally(async () => {
        if (activity.ranAtMs >= beganAtMs) await thread.run({ kind: 'doubt', dir });
      });
      reply.end(applied);
    } catch (error) {
      reply.fail(error);
    } finally {
      signal.removeEventListener('abort', left);
      whole.stop(new Error('the change has ended'));
    }
  };
}

async function* decompressed(
  source: StoppableSource,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  try {
    yield* unpackPieces(source.chunks(), compression);
  } catch (error) {
    if (isGomoteError(error)) throw error;
    throw new GomoteError('ERR_LOST', `tree stream: ${messageOf(error)}`, { cause: error });
  }
}

function read(thread: TreeThread, features: readonly string[]): Handler {
  return async (exchange) => {
    const form = await readForm(exchange.request);
    const paths = form.has('all') ? undefined : form.getAll('path');
    const isNamed = parseBool(exchange.query.get('named'));
    const givesUpFiles = parseBool(exchange.query.get('giveup'));
    const dir = dirOf(exchange.query);
    const job: TreeJob = { kind: 'read', dir, paths, isNamed, givesUpFiles };
    await sendPieces(exchange, features, thread.read(job));
  };
}

function ask(thread: TreeThread): Handler {
  return async ({ request, response, query, signal }) => {
    const job: StoreJob = { kind: 'stored', ...askedHead(query) };
    const source = new StoppableSource(
      headPieces(flowing(request), parseCompression(headerOf(request, compressHeader)) ?? 'none'),
    );
    sendText(response, await thread.run(job, { source, signal }), contentTypes.json);
  };
}

function reach(thread: TreeThread): Handler {
  return async ({ response, query }) => {
    const at = parseStoreAt(query.get('at') ?? undefined);
    const isReached = at !== undefined && (await thread.run<boolean>({ kind: 'reach', at }));
    sendText(response, isReached ? '1' : '0', contentTypes.text);
  };
}

function prepare(ahead: Ahead): Handler {
  return async ({ request, response }) => {
    // It goes on after the reply.
    ahead.make(parseStoreAt(headerOf(request, storeAtHeader)));
    sendEmpty(response);
  };
}

const sliceBytes = 1 << 20;

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

/** Compresses as the client asks, if possible; the reply says how. */
async function sendPieces(
  { request, response, signal }: Exchange,
  features: readonly string[],
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const wished = parseCompression(headerOf(request, compressHeader)) ?? 'none';
  const compression = wished === 'zstd' && !features.includes(zstdFeature) ? 'gzip' : wished;
  response.setHeader(compressHeader, compression);
  await sendStream(response, packPieces(pieces, compression, signal), contentTypes.tree);
}
