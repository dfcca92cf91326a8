// Extracts a compressed tar stream into a directory, in a thread of its own.
import { Readable } from 'node:stream';
import { StoppableSource } from '../worker/stoppable-source.ts';
import { Thread } from '../worker/thread.ts';
import { abortError } from './archive-error.ts';
import type { UnpackJob, UnpackTotals } from './extract.ts';
import type { ExtractionOptions } from './extraction.ts';

export type { UnpackTotals } from './extract.ts';

interface UnpackOptions extends ExtractionOptions {
  /** The directory that nothing may leave. */
  root: string;
  /** Where to extract to: a path of the protocol, relative to `root`; created if missing. */
  dir: string;
  signal?: AbortSignal | undefined;
}

/** One thread is kept for the next archive: starting it takes some 30 ms. */
let idleThread: Thread<UnpackJob> | undefined;

/**
 * Extracts `source`, tar in gzip of one or more members or in zstd, into `dir` below `root`.
 *
 * Modes and times are kept, owners are not. Nothing gets its final name before the archive is complete and its
 * checksums are correct: a failure leaves everything as it was. A Node stream is read, but not
 * destroyed when the extraction fails: it may be a request that still has to be answered.
 *
 * Throws ERR_ARCHIVE for an archive that is damaged, cut short, or leads out of its directory; ERR_PATH for `dir`;
 * ERR_LOCAL_FILE for what the file system refuses; ERR_LOST when `source` fails; ERR_ABORTED.
 */
export async function unpackTar(
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<UnpackTotals> {
  const { signal, ...job } = options;
  if (signal?.aborted) throw abortError('unpacking', signal);
  const stoppable = new StoppableSource(
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source,
  );
  const abort = () => {
    if (signal) stoppable.stop(abortError('unpacking', signal));
  };
  signal?.addEventListener('abort', abort);
  const thread = idleThread ?? new Thread<UnpackJob>('archive-worker');
  idleThread = undefined;
  try {
    return await thread.run(job, { source: stoppable });
  } finally {
    signal?.removeEventListener('abort', abort);
    if (idleThread === undefined) idleThread = thread;
    else void thread.close();
  }
}
