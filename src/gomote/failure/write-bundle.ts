// Writes the bundle of a failed run: an archive for people and `gomote doctor`.
import { createHash } from 'node:crypto';
import { release } from 'node:os';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { isGomoteError, messageOf } from '../../errors.ts';
import { readVersion } from '../../package-root.ts';
import { textOf } from '../../protocol/form.ts';
import type { SessionEnd, SessionRequest } from '../../protocol/session.ts';
import type { BuildletStatus } from '../../protocol/status.ts';
import { oneMember } from '../../tar/compress.ts';
import { encodeHeader } from '../../tar/tar-header.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { writeWhole } from '../local-files.ts';
import type { CommandEnd } from '../run/run.ts';
import { outputText } from './output-text.ts';
import { OutputRecorder, type StreamName } from './recorder.ts';
import { bundleFiles, type FailureReport, reportFormat } from './report.ts';

interface FailedRun {
  readonly client: BuildletClient;
  /** The caller's name of the buildlet. */
  readonly name: string;
  readonly id: string | null;
  readonly request: SessionRequest;
  /** Undefined where the buildlet has no sessions; an error if the outcome is unknown. */
  readonly end: SessionEnd | undefined;
  readonly error?: unknown;
  readonly exitCode?: number | undefined;
  readonly recorder: OutputRecorder;
}

/** The time limit for requests to the buildlet, in ms. */
const askMs = 5_000;

/**
 * Writes the bundle to a file, atomically; throws ERR_LOCAL_FILE. The buildlet is asked for details unless
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
  const packed = oneMember(archiveOf(entries), undefined);
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

/** Details that do not arrive in time are left out. */
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

/** The key of `KEY=VALUE`: values may be secrets. */
const variableName = (pair: string): string => pair.split('=', 1)[0] ?? '';

/** Facts about a run that become known while it is running. */
export interface Noted {
  readonly recorder: OutputRecorder;
  end?: SessionEnd | undefined;
}

interface BundledOptions {
  readonly file: string;
  readonly signal: AbortSignal;
  readonly isLeft: () => boolean;
}

/** Runs it. Throws ERR_LOCAL_FILE when the command failed and the bundle cannot be written. */
export async function bundled(
  run: Omit<FailedRun, keyof Noted>,
  { file, signal, isLeft }: BundledOptions,
  work: (noted: Noted) => Promise<CommandEnd>,
): Promise<CommandEnd> {
  const noted: Noted = { recorder: new OutputRecorder() };
  const write = (error?: unknown) =>
    writeBundle(file, { ...run, end: noted.end, recorder: noted.recorder, error }, signal);
  let ended: CommandEnd;
  try {
    ended = await work(noted);
  } catch (error) {
    // The error of the run is more important than that of the bundle.
    if (!isLeft()) await write(error).catch(() => undefined);
    throw error;
  }
  if (ended.exitCode !== 0) await write();
  return ended;
}
