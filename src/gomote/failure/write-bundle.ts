// Writes the bundle of a failed run: an archive for people and `gomote doctor`.
import { createHash } from 'node:crypto';
import { release } from 'node:os';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { isGomoteError, messageOf } from '../../errors.ts';
import { readVersion } from '../../package-root.ts';
import { textOf } from '../../protocol/form.ts';
import type { SessionEnd, SessionRequest } from '../../protocol/session.ts';
import type { BuildletStatus } from '../../protocol/status.ts';
import { encodeHeader } from '../../tar/tar-header.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { writeWhole } from '../local-files.ts';
import { outputText } from './output-text.ts';
import type { OutputRecorder, StreamName } from './recorder.ts';
import { bundleFiles, type FailureReport, reportFormat } from './report.ts';

/** A run that failed, as far as it is known. */
export interface FailedRun {
  readonly client: BuildletClient;
  /** The buildlet, as the caller names it. */
  readonly name: string;
  readonly id: string | null;
  readonly request: SessionRequest;
  /** Undefined where the buildlet has no sessions; with an error: nobody knows how it ended. */
  readonly end: SessionEnd | undefined;
  /** What gomote itself failed with. */
  readonly error?: unknown;
  readonly exitCode?: number | undefined;
  readonly recorder: OutputRecorder;
}

/** How long the buildlet is asked for what it knows, in ms. */
const askMs = 5_000;

/**
 * Writes it to the file, which is there only when it is whole; throws ERR_LOCAL_FILE. The buildlet is asked for what it knows unless
 * the signal aborts.
 */
export async function writeBundle(
  file: string,
  run: FailedRun,
  signal: AbortSignal,
): Promise<void> {
  const known = await askBuildlet(run, anySignal(signal, timeoutSignal(askMs)));
  const streams = {
    stdout: keptOf(run.recorder, 'stdout'),
    stderr: keptOf(run.recorder, 'stderr'),
  };
  const report = reportOf(run, known, streams);
  const entries: [string, Buffer[]][] = [
    [bundleFiles.report, [Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`)]],
    [bundleFiles.output, [...outputText(run.recorder.kept())]],
    [bundleFiles.stdout, streams.stdout],
    [bundleFiles.stderr, streams.stderr],
  ];
  const packed = Readable.from(archiveOf(entries)).pipe(createGzip());
  await writeWhole(file, packed, { mode: 0o600, mtimeMs: Date.now() });
}

const blockBytes = 512;

function* archiveOf(entries: readonly [string, readonly Buffer[]][]): Generator<Buffer> {
  for (const [name, pieces] of entries) {
    const sizeBytes = sizeOf(pieces);
    yield encodeHeader({ name, type: 'File', mode: 0o600, sizeBytes, mtimeMs: Date.now() });
    yield* pieces;
    yield Buffer.alloc(-sizeBytes & (blockBytes - 1));
  }
  yield Buffer.alloc(2 * blockBytes);
}

const sizeOf = (pieces: readonly Buffer[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0);

function keptOf(recorder: OutputRecorder, stream: StreamName): Buffer[] {
  const { head, tail } = recorder.kept();
  return [...head, ...tail].filter((piece) => piece.stream === stream).map(({ bytes }) => bytes);
}

interface Known {
  readonly status: BuildletStatus | undefined;
  readonly tree: FailureReport['tree'];
}

/** What it does not answer in time is left out. */
async function askBuildlet({ client, request }: FailedRun, signal: AbortSignal): Promise<Known> {
  const directory = request.dir || '.';
  const tree = async () => {
    const { digest } = await (await client.trees()).state(directory, 'pushed', { signal });
    return { directory, sha256: digest };
  };
  const [status, state] = await Promise.all([
    client.status({ signal }).catch(() => undefined),
    tree().catch(() => null),
  ]);
  return { status, tree: state };
}

function reportOf(
  { name, id, request, end, error, exitCode, recorder }: FailedRun,
  { status, tree }: Known,
  streams: Record<StreamName, readonly Buffer[]>,
): FailureReport {
  const sums = recorder.sums();
  const kept = (stream: StreamName) => ({
    ...sums[stream],
    keptBytes: sizeOf(streams[stream]),
    keptSha256: digestOf(streams[stream]),
  });
  return {
    format: reportFormat,
    written: new Date().toISOString(),
    outcome: end === undefined && error !== undefined ? 'unknown' : 'ended',
    exitCode: exitCode ?? null,
    error: error === undefined ? null : { code: codeOf(error), message: messageOf(error) },
    run: {
      id,
      command: [request.cmd, ...request.args].map(textOf),
      directory: request.dir || '.',
      environment: [...new Set(request.env.map(variableName))],
      tty: request.tty !== undefined,
      timeoutMs: request.timeoutMs ?? null,
      idleTimeoutMs: request.idleTimeoutMs ?? null,
      end: end ?? null,
    },
    output: { stdout: kept('stdout'), stderr: kept('stderr') },
    tree,
    buildlet: {
      name,
      software: status?.software ?? null,
      features: [...(status?.features ?? [])],
      isolation: status?.confinement?.isolation ?? null,
      limits: [...(status?.confinement?.limits ?? [])],
    },
    client: {
      gomote: readVersion(),
      node: process.version,
      system: `${process.platform} ${release()} ${process.arch}`,
    },
  };
}

function digestOf(pieces: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

const codeOf = (error: unknown): string => (isGomoteError(error) ? error.code : 'ERR_UNKNOWN');

/** Of `KEY=VALUE` the key alone: values may be secrets. */
const variableName = (pair: string): string => pair.split('=', 1)[0] ?? '';
