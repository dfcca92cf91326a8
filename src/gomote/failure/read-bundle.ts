// Reads and checks the bundle of a failed run. Its author is not trusted.
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { localError } from '../../files/local-error.ts';
import { open } from '../../files/named-fs.ts';
import { TarReader } from '../../tar/tar-reader.ts';
import { through } from '../../tar/through.ts';
import { bundleFiles, type FailureReport, parseFailureReport } from './report.ts';

/** The size limits of the unpacked bundle and of the report, in bytes. */
const unpackedLimit = 128 << 20;
const reportLimit = 8 << 20;

/** How many pieces of the end of the output are given; one has at most 64 KiB. */
const endPieces = 8;

interface FailureBundle {
  readonly report: FailureReport;
  /** The end of both streams, each line with its time. */
  readonly outputEnd: string;
}

/** Throws ERR_LOCAL_FILE when it cannot be read, and ERR_ARCHIVE when it is not a bundle, or was changed. */
export async function readBundle(file: string): Promise<FailureBundle> {
  const entries = await readEntries(file);
  const textOf = (name: string) => String(Buffer.concat(entries.get(name)?.pieces ?? []));
  const json = textOf(bundleFiles.report);
  const report = parseFailureReport(json);
  if (report === undefined)
    throw noBundle(file, `it has no ${bundleFiles.report} that can be read`);
  for (const stream of ['stdout', 'stderr'] as const) {
    const { keptBytes, keptSha256 } = report.output[stream];
    const entry = entries.get(bundleFiles[stream]);
    if (entry?.sizeBytes !== keptBytes || entry.hash.digest('hex') !== keptSha256)
      throw noBundle(file, `its ${stream} is not as it was written`);
  }
  return { report, outputEnd: textOf(bundleFiles.output) };
}

const noBundle = (file: string, why: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_ARCHIVE', `"${file}" is not a failure bundle: ${why}`, {
    hint: 'give a file that --bundle-on-failure has written',
    cause,
  });

interface Entry {
  sizeBytes: number;
  readonly hash: Hash;
  /** All of the report, and the end of the other files. */
  readonly pieces: Buffer[];
}

async function readEntries(file: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const wanted: readonly string[] = Object.values(bundleFiles);
  let current: Entry | undefined;
  const reader = new TarReader({
    begin: ({ name, typeFlag }) => {
      if (entries.has(name)) throw noBundle(file, 'it has a file twice');
      current = undefined;
      if (!wanted.includes(name) || typeFlag !== '0') return;
      current = { sizeBytes: 0, hash: createHash('sha256'), pieces: [] };
      entries.set(name, current);
    },
    content: (piece) => {
      if (current === undefined) return;
      current.sizeBytes += piece.length;
      current.hash.update(piece);
      current.pieces.push(Buffer.from(piece));
      const isReport = current === entries.get(bundleFiles.report);
      if (!isReport && current.pieces.length > endPieces) current.pieces.shift();
      if (isReport && current.sizeBytes > reportLimit)
        throw noBundle(file, 'its report is too long');
    },
    end: () => undefined,
  });
  // Opening a FIFO or a device must not block.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw localError('read', file, error);
    },
  );
  try {
    if (!(await handle.stat()).isFile()) throw noBundle(file, 'it is not a file');
    let unpackedBytes = 0;
    const packed = handle.createReadStream({ autoClose: false });
    for await (const chunk of through(packed, createGunzip())) {
      unpackedBytes += chunk.length;
      if (unpackedBytes > unpackedLimit) throw noBundle(file, 'it is too long');
      reader.push(chunk);
    }
    if (!reader.hasEnd) throw noBundle(file, 'it has been cut');
    return entries;
  } catch (error) {
    if (isGomoteError(error) && error.code === 'ERR_ARCHIVE' && error.message.includes(file))
      throw error;
    throw noBundle(file, messageOf(error), error);
  } finally {
    await handle.close();
  }
}
