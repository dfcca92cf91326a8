// --status-json: how a run ended, for programs.
import { writeFileSync } from 'node:fs';
import { errnoOf, GomoteError, isGomoteError, NotStartedError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import type { ClosedBy, RunUsage, SessionEnd, SessionRequest } from '../../protocol/session.ts';
import { runFailureCode, signalCode } from '../exit-codes.ts';

export type Origin =
  | 'remote'
  | 'signal'
  | 'timeout'
  | 'transport'
  | 'server'
  | 'usage'
  /** No run of `--until` matched. */
  | 'until'
  /** The command succeeded, but a test of `--junit` failed. */
  | 'tests'
  /** The command succeeded, but a step after it failed. */
  | 'after';

interface RunReport {
  readonly origin: Origin;
  readonly code: number;
  /** The signal that ended the command, or made gomote leave it. */
  readonly signal: string | null;
  readonly durationMs: number;
  /** How much the command wrote; null when that is unknown. */
  readonly bytes: { readonly stdout: number; readonly stderr: number } | null;
  readonly sha256: { readonly stdout: string; readonly stderr: string } | null;
  /** What blocked the command's network access; absent: nothing. */
  readonly network?: ClosedBy | undefined;
  /** The resources that it used; absent when they are unknown. */
  readonly usage?: RunUsage | undefined;
  /** Of the session; null on a buildlet without them. */
  readonly id: string | null;
  /** Whether the command certainly never ran, so that a retry cannot run it twice. */
  readonly retrySafe: boolean;
  readonly tries?: number | undefined;
}

export interface RunRecord {
  readonly startedAtMs: number;
  /** Of its session; null while it has none. */
  id: string | null;
  /** As it was asked for last. */
  request?: SessionRequest | undefined;
  end?: SessionEnd | undefined;
  /** The signal that gomote itself got. */
  received?: NodeJS.Signals | undefined;
  /** Who decided the exit status, if not the command. */
  origin?: Origin | undefined;
  tries?: number | undefined;
}

const origins: Readonly<Record<string, Origin>> = {
  ERR_ABORTED: 'signal',
  ERR_TIMEOUT: 'timeout',
  ERR_NOT_STARTED: 'remote',
  ERR_USAGE: 'usage',
  ERR_CONFIG: 'usage',
  ERR_LOCAL_FILE: 'usage',
  ERR_UNKNOWN_TYPE: 'usage',
  ERR_UNKNOWN_BUILDLET: 'usage',
  ERR_BROKEN: 'transport',
  ERR_BUILDLET_DIED: 'transport',
  ERR_CERTIFICATE: 'transport',
  ERR_CONNECT: 'transport',
  ERR_LOST: 'transport',
};

/** Failures that come before anything could have run. */
const beforeTheRun = [
  'ERR_USAGE',
  'ERR_CONFIG',
  'ERR_UNSUPPORTED',
  'ERR_UNAUTHORIZED',
  'ERR_CERTIFICATE',
];

/** The report of a run that ended, or was left, with this exit status. */
export function reportOf(code: number, known: RunRecord): RunReport {
  const { id, startedAtMs, end, received, origin = 'remote', tries } = known;
  return {
    origin: received === undefined ? origin : 'signal',
    code,
    signal: end?.signal ?? received ?? null,
    durationMs: end?.durationMs ?? Date.now() - startedAtMs,
    ...sumsOf(end),
    ...(end?.network !== undefined && { network: end.network }),
    ...(end?.usage !== undefined && { usage: end.usage }),
    id,
    retrySafe: false,
    ...(tries !== undefined && { tries }),
  };
}

/** The report of a run that failed, or whose outcome is unknown. */
export function reportOfFailure(error: unknown, known: RunRecord): RunReport {
  const code = isGomoteError(error) ? error.code : '';
  const neverSent = ['ECONNREFUSED', 'ENOENT', 'ENOTFOUND'].includes(
    errnoOf(isGomoteError(error) ? error.cause : undefined) ?? '',
  );
  return {
    ...reportOf(codeOf(error, known), known),
    origin: known.origin ?? origins[code] ?? (isGomoteError(error) ? 'server' : 'transport'),
    // Once there is a run, a failure does not show whether the command began.
    retrySafe:
      error instanceof NotStartedError ||
      (known.id === null &&
        (neverSent || code === 'ERR_UNKNOWN_BUILDLET' || beforeTheRun.includes(code))),
  };
}

const codeOf = (error: unknown, { received }: RunRecord): number =>
  received === undefined ? runFailureCode(error) : signalCode(received);

function sumsOf(end: SessionEnd | undefined): Pick<RunReport, 'bytes' | 'sha256'> {
  if (end === undefined) return { bytes: null, sha256: null };
  const { stdout, stderr } = end;
  return {
    bytes: { stdout: stdout.bytes, stderr: stderr.bytes },
    sha256: { stdout: stdout.sha256, stderr: stderr.sha256 },
  };
}

/** Throws ERR_USAGE when the target is not valid. */
export function checkReportTarget(target: string, option = '--status-json'): void {
  if (target !== '' && (!target.startsWith('fd:') || descriptorIn(target) !== undefined)) return;
  throw new GomoteError('ERR_USAGE', `${option} "${target}" is neither a file nor a descriptor`, {
    hint: 'give FILE, or fd:N such as fd:3',
  });
}

const descriptorIn = (target: string) => /^fd:([0-9]{1,6})$/.exec(target)?.[1];

/** Writes it as a line of JSON to FILE, or to the file descriptor N of `fd:N`. */
export function writeReport(target: string, report: object, option = '--status-json'): void {
  const fd = descriptorIn(target);
  try {
    writeFileSync(fd === undefined ? target : Number(fd), `${JSON.stringify(report)}\n`);
  } catch (error) {
    const reason = reasonOf(error);
    throw new GomoteError('ERR_LOCAL_FILE', `cannot write ${option} ${target}: ${reason}`, {
      hint: 'check the path, or that the descriptor is open for writing',
      cause: error,
    });
  }
}
